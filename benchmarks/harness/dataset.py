"""The data that all servers read: one SQLite file in Foretell's own tables, made once and kept.

Twenty models of three versions each (all of them the embedded `diabetes` model, so that they load at once and
answer), one project with one key, and predictions spread over the models.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, text, true
from uuid_utils import UUID

from benchmarks.harness.copies import copy_predictions, write_ledger
from benchmarks.harness.places import DATA
from db.migrate import upgrade
from db.queries import registry as queries
from db.session import Database
from db.tables import ModelVersionRow
from db.tables.predictions import predictions
from db.types import epoch_ms, now
from engine.definitions import read_definitions
from engine.keys import Keys
from engine.registry import Registry
from engine.usage.ledger import Folding
from engine.values import Scope
from foretell.lifespan import EMBEDDED

MODELS, VERSIONS = 20, 3
BATCH = 10_000
SOME = "00"
"""How the ids end that are asked for one by one, where there are many: each 256th."""
SEED = 20261126
DAYS = 30

RECORD = {
    "age": 59,
    "sex": 2,
    "bmi": 32.1,
    "bp": 101,
    "s1": 157,
    "s2": 93.2,
    "s3": 38,
    "s4": 4,
    "s5": 4.8598,
    "s6": 87,
}


@dataclass(frozen=True, slots=True)
class Dataset:
    """A file, and what a client has to know of it."""

    file: str
    models_file: str
    secret: str
    project_id: str
    api_key_id: str
    model_file: str
    """The ONNX file behind every version."""
    prediction_ids: list[str]
    """Some rows to ask for one by one."""


def dataset(count: int, *, with_usage: bool = False) -> Dataset:
    """Returns the data with that many predictions, from the last time if there was one.

    There are as many as asked for up to 10,000, and then whole batches of as many as those.
    `with_usage` their ledger and its rollups are there, too.
    """
    folder = DATA / f"{count}{'-usage' if with_usage else ''}"
    described = folder / "dataset.json"
    if described.exists():
        return Dataset(**json.loads(described.read_text()))
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.iterdir():
        left.unlink()
    made = asyncio.run(_make(folder, count, with_usage))
    described.write_text(json.dumps(asdict(made)))
    return made


async def _make(folder: Path, count: int, with_usage: bool) -> Dataset:
    file, models_file = folder / "foretell.db", folder / "models.toml"
    models_file.write_text(_definitions())
    database = Database(f"sqlite+aiosqlite:///{file}", synchronous="NORMAL")
    await upgrade(database)
    await Registry(database).apply([*read_definitions(EMBEDDED), *read_definitions(models_file)])
    project = await Keys(database).create_project("default")
    key, secret = await Keys(database).create(project.id, "benchmark", list(Scope))
    async with database.read() as connection:
        versions = (await queries.everything(connection)).versions
    serving = [row for row in versions if row.config["path"].endswith("diabetes/model.onnx")]
    made, step = min(count, BATCH), timedelta(days=DAYS) / count
    rows = _rows(made, now() - timedelta(days=DAYS), step, project.id, key.id, serving)
    async with database.write() as connection:
        await connection.execute(insert(predictions), rows)
    await copy_predictions(database, count // made - 1, step * made)
    if with_usage:
        await write_ledger(database)
    while with_usage and await Folding(database).fold():
        pass
    async with database.write() as connection:
        await connection.execute(text("ANALYZE"))
    async with database.read() as connection:
        some = predictions.c.id.like(f"%{SOME}") if count > BATCH else true()
        ids = list((await connection.execute(select(predictions.c.id).where(some))).scalars())
    await database.close()
    onnx = EMBEDDED.parent / "diabetes" / "model.onnx"
    return Dataset(str(file), str(models_file), secret, project.id, key.id, str(onnx), ids)


def _rows(
    count: int,
    start: datetime,
    step: timedelta,
    project_id: str,
    key_id: str,
    versions: list[ModelVersionRow],
) -> list[dict[str, Any]]:
    source = random.Random(SEED)
    return [
        _row(source, project_id, key_id, source.choice(versions), start + step * number)
        for number in range(count)
    ]


def _row(
    source: random.Random, project_id: str, key_id: str, version: ModelVersionRow, at: datetime
) -> dict[str, Any]:
    milliseconds = epoch_ms(at)
    inference = round(source.lognormvariate(0, 0.5), 3)
    return {
        "id": _id(milliseconds, source),
        "project_id": project_id,
        "api_key_id": key_id,
        "model_id": version.model_id,
        "model_version_id": version.id,
        "status": "SUCCEEDED",
        "request_id": f"{source.getrandbits(128):032x}",
        "created_at": at,
        "started_at": at,
        "finished_at": at + timedelta(milliseconds=4),
        "cached": False,
        "attempts": 1,
        "cancel_requested": False,
        "is_replaced": False,
        "usage_source": "COUNTED",
        "records": 1,
        "cost_nanos": 1000,
        "currency": "USD",
        "queue_ms": 0.5,
        "inference_ms": inference,
        "total_ms": round(inference + 2.5, 3),
        "input": {"records": [RECORD]},
        "output": {"results": [{"value": source.uniform(25, 346)}]},
    }


def _id(milliseconds: int, source: random.Random) -> str:
    """Returns a UUIDv7 of a time, the same in every run."""
    value = (
        milliseconds << 80 | 0x7 << 76 | source.getrandbits(12) << 64 | 0b10 << 62 | source.getrandbits(62)
    )
    return UUID(int=value).hex


def _definitions() -> str:
    embedded = EMBEDDED.parent
    lines: list[str] = []
    for number in range(MODELS):
        lines += [
            "[[models]]",
            f'name = "model-{number:02}"',
            f'display_name = "Model {number:02}"',
            'task = "TABULAR_REGRESSION"',
            'description = "One of the models that the benchmark asks."',
        ]
        for version in range(1, VERSIONS + 1):
            lines += [
                "[[models.versions]]",
                f'version = "{version}"',
                f'backend = {{ kind = "ONNX", path = "{embedded}/diabetes/model.onnx" }}',
                f'input_schema = "{embedded}/diabetes/input.schema.json"',
                "max_batch_size = 256",
                'price = { currency = "USD", per_prediction = "0.000001" }',
            ]
    return "\n".join(lines)
