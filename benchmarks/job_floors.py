"""Floors that jobs are held against: what the same records cost without Foretell, in this process."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import orjson

MODELS = Path(__file__).parents[1] / "foretell" / "embedded"
FLOOR_ITEMS = 20_000
TOGETHER = 500
TABLES = ("prediction", "usage")


@dataclass(frozen=True)
class Cost:
    """Seconds for one item, by the clock and of the processor."""

    wall: float
    cpu: float


def records() -> list[dict[str, Any]]:
    examples = orjson.loads((MODELS / "examples.json").read_bytes())["breast-cancer"]
    return [example["record"] for example in examples]


def lines(count: int) -> Iterator[bytes]:
    """Yields a job's source, a thousand lines at a time."""
    known = records()
    for start in range(0, count, 1000):
        numbers = range(start, min(start + 1000, count))
        yield b"".join(
            orjson.dumps(
                {"customId": f"item {n}", "data": {"tabular": {"records": [known[n % len(known)]]}}},
                option=orjson.OPT_APPEND_NEWLINE,
            )
            for n in numbers
        )


def session(size: int) -> Cost:
    """What reading lines and calling the bare ONNX session costs, `size` of them a call."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    bare = ort.InferenceSession(str(MODELS / "breast-cancer" / "model.onnx"), options)
    name = bare.get_inputs()[0].name
    features = list(records()[0])
    given = b"".join(lines(FLOOR_ITEMS)).splitlines()

    def work() -> None:
        for start in range(0, len(given), size):
            rows = [
                [record[feature] for feature in features]
                for line in given[start : start + size]
                for record in orjson.loads(line)["data"]["tabular"]["records"]
            ]
            bare.run(None, {name: np.asarray(rows, dtype=np.float32)})

    return _measured(work, len(given))


def storing(database: Path, copy: Path) -> Cost:
    """What SQLite alone takes to store rows that a job has stored, with the same indexes and as durably."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -65536"):
            target.execute(f"PRAGMA {pragma}")
        inserts = {}
        for table in TABLES:
            made = source.execute("SELECT sql FROM sqlite_master WHERE tbl_name = ? AND sql > ''", (table,))
            for (statement,) in made.fetchall():
                target.execute(statement)
            rows = source.execute(f"SELECT * FROM {table} LIMIT {FLOOR_ITEMS}").fetchall()
            insert = f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})"
            inserts[insert] = [rows[at : at + TOGETHER] for at in range(0, len(rows), TOGETHER)]

        def work() -> None:
            for parts in zip(*inserts.values(), strict=True):
                for statement, rows in zip(inserts, parts, strict=True):
                    target.executemany(statement, rows)
                target.commit()

        return _measured(work, sum(map(len, next(iter(inserts.values())))))


def _measured(work: Callable[[], None], items: int) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost((time.perf_counter() - wall) / items, (time.process_time() - cpu) / items)
