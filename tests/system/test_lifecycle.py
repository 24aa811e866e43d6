"""One process on SQLite, ended in the middle of its work and started again."""

import asyncio
import json
import signal
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.services import free_port
from tests.system.processes import ROOT, Server, serving

PREDICT = """
mutation ($input: PredictInput!) {
  predict(input: $input) { prediction { id status } errors { message } }
}
"""
RESULTS = """
query ($ids: [ID!]!) {
  nodes(ids: $ids) { ... on Prediction { id status error { code retryable } output { __typename } } }
  predictions(first: 100) { totalCount }
}
"""
EXAMPLES = json.loads((ROOT / "foretell" / "embedded" / "examples.json").read_text())
RECORDS = [example["record"] for example in EXAMPLES["breast-cancer"]] * 30
# A second or so each: the text may not be written twice, for somebody may have read its start.
TEXT = {
    "model": {"name": "storyteller"},
    "data": {"text": {"prompt": {"text": "It is a truth"}, "parameters": {"maxTokens": 400}}},
}
TABLE = {
    "model": {"name": "breast-cancer"},
    "data": {"tabular": {"records": RECORDS}},
    "explain": "OCCLUSION",
}
TERMINAL = {"SUCCEEDED", "FAILED", "CANCELED"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "foretell.db"


@pytest.fixture
def environment(tmp_path: Path, file: Path) -> dict[str, str]:
    return {
        "FORETELL_DATABASE_URL": f"sqlite:///{file}",
        "FORETELL_DATA_DIRECTORY": str(tmp_path / "data"),
        "FORETELL_INFERENCE_THREADS": "1",
    }


async def submit(server: Server, requests: Sequence[dict[str, Any]]) -> list[str]:
    """Submits predictions and returns their ids while they run."""
    given = [{**request, "waitMs": 0, "cache": "BYPASS"} for request in requests]
    answers = await asyncio.gather(*(server.ask(PREDICT, input=request) for request in given))
    return [answer["predict"]["prediction"]["id"] for answer in answers]


async def ended(server: Server, ids: list[str]) -> dict[str, Any]:
    """Waits until all are terminal."""
    async with asyncio.timeout(60):
        while True:
            found = await server.ask(RESULTS, ids=ids)
            if all(node and node["status"] in TERMINAL for node in found["nodes"]):
                return found
            await asyncio.sleep(0.2)


@pytest.mark.slow
async def test_a_killed_process_leaves_nothing_open_and_nothing_twice(
    environment: dict[str, str], file: Path
) -> None:
    async with serving(free_port(), environment) as server:
        texts = await submit(server, [TEXT] * 5)
        tables = await submit(server, [TABLE] * 20)
        await server.kill()
    left = open_predictions(file)

    async with serving(free_port(), environment, server.key) as restarted:
        found = await ended(restarted, texts + tables)

    assert left > 0
    assert found["predictions"]["totalCount"] == 25
    statuses = {node["id"]: node["status"] for node in found["nodes"]}
    assert {statuses[each] for each in tables} == {"SUCCEEDED"}
    assert {statuses[each] for each in texts} <= {"SUCCEEDED", "FAILED"}
    errors = [node["error"] for node in found["nodes"] if node["error"]]
    assert all(error["code"] == "MODEL_ERROR" and error["retryable"] for error in errors)


@pytest.mark.slow
async def test_a_process_told_to_end_finishes_what_runs_and_exits_with_0(
    environment: dict[str, str], file: Path
) -> None:
    async with serving(free_port(), environment) as server:
        ids = await submit(server, [TEXT] * 3 + [TABLE] * 3)
        server.process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(server.process.wait(), 30)
    left = open_predictions(file)

    async with serving(free_port(), environment, server.key) as restarted:
        found = await ended(restarted, ids)

    assert (code, left) == (0, 0)
    assert {node["status"] for node in found["nodes"]} == {"SUCCEEDED"}
    assert found["predictions"]["totalCount"] == 6


def open_predictions(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        counted = connection.execute("SELECT count(*) FROM prediction WHERE status IN ('QUEUED', 'RUNNING')")
        return int(counted.fetchone()[0])
