"""What becomes of a prediction whose process is gone between "stored" and "finished"."""

import asyncio
import signal
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from db.session import Database
from db.tables import PredictionRow
from db.tables.predictions import predictions
from db.tables.usage import usage
from engine.values import PredictionStatus
from tests.services import free_port
from tests.system.gates import Gate, environment
from tests.system.processes import Server, serving

MODULE = "tests.system.waiting_server"
LEASE_SECONDS = 1.0
PREDICT = """mutation { predict(input: {
  model: {name: "waiting"}, data: {tabular: {records: [{x: 1}]}}, waitMs: 0, cache: BYPASS
}) { prediction { id status } errors { message } } }"""
FIND = "query ($id: ID!) { prediction(id: $id) { status attempts output { __typename } usage { records } } }"


def server(given: Mapping[str, str], key: str = "") -> AbstractAsyncContextManager[Server]:
    return serving(free_port(), given, key, module=MODULE)


async def submit(to: Server) -> str:
    answer = (await to.ask(PREDICT))["predict"]
    assert answer["errors"] == []
    return str(answer["prediction"]["id"])


async def ended(at: Server, prediction_id: str, within: float) -> Any:
    """Waits until a prediction is terminal, and returns it."""
    async with asyncio.timeout(within):
        while True:
            found = (await at.ask(FIND, id=prediction_id))["prediction"]
            if PredictionStatus(found["status"]).is_terminal:
                return found
            await asyncio.sleep(0.05)


async def rows(database: Database) -> list[PredictionRow]:
    async with database.read() as connection:
        found = (await connection.execute(select(predictions).order_by(predictions.c.id))).all()
    return [PredictionRow(**row._asdict()) for row in found]


async def billed(database: Database) -> tuple[int, int]:
    """Returns how many predictions the ledger has, and what they cost together."""
    async with database.read() as connection:
        sums = select(func.count(), func.sum(usage.c.cost_nanos)).select_from(usage)
        count, cost = (await connection.execute(sums)).one()
    return int(count), int(cost)


@pytest.mark.slow
async def test_killed_between_stored_and_finished_a_prediction_ends_once_after_the_restart(
    database: Database, sqlite_url: str, gate: Gate, tmp_path: Path
) -> None:
    given = environment(sqlite_url, gate, tmp_path)
    async with server(given) as first:
        prediction_id = await submit(first)
        await gate.calls_come_to(1)
        (while_it_ran,) = await rows(database)
        await first.kill()
    (left,) = await rows(database)
    gate.open()

    async with server(given, first.key) as second:
        found = await ended(second, prediction_id, within=30)
        (row,) = await rows(database)

    assert (while_it_ran.status, left.status) == ("RUNNING", "RUNNING")
    assert found == {
        "status": "SUCCEEDED",
        "attempts": 2,
        "output": {"__typename": "TabularOutput"},
        "usage": {"records": 1},
    }
    assert (row.owner, row.lease_until) == (None, None)
    assert len(gate.calls()) == 2
    assert await billed(database) == (1, 500_000_000)


@pytest.mark.slow
@pytest.mark.postgres
async def test_another_process_takes_over_within_a_lease_and_the_first_one_can_not_finish_it_again(
    postgres: Database, gate: Gate, tmp_path: Path
) -> None:
    given = environment(postgres.url.render_as_string(hide_password=False), gate, tmp_path)
    async with server(given) as first, server(given, first.key) as second:
        stopped = await submit(first)
        await gate.calls_come_to(1)
        first.process.send_signal(signal.SIGSTOP)
        await gate.calls_come_to(2)
        gate.open()
        taken_over = await ended(second, stopped, within=10)
        first.process.send_signal(signal.SIGCONT)
        gate.close()

        killed = await submit(first)
        await gate.calls_come_to(3)
        before = time.monotonic()
        await first.kill()
        gate.open()
        finished = await ended(second, killed, within=30)
        seconds = time.monotonic() - before
        again = (await second.ask(FIND, id=stopped))["prediction"]

    assert (taken_over["status"], taken_over["attempts"]) == ("SUCCEEDED", 2)
    assert again == taken_over
    assert (finished["status"], finished["attempts"]) == ("SUCCEEDED", 2)
    assert len(set(gate.calls())) == 2
    assert await billed(postgres) == (2, 1_000_000_000)
    assert seconds < 10 * LEASE_SECONDS  # a lease and a third, and whatever a busy machine adds
