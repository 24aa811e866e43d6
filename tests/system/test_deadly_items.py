"""An item that ends whatever process runs it: its chunk fails after a while, and no other."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select

from db.session import Database
from db.tables.jobs import jobs
from db.tables.predictions import predictions
from engine.jobs.worker import MAX_STARTS
from engine.values import JobStatus
from tests.services import free_port
from tests.system.gates import Gate, environment
from tests.system.processes import Server, serving

ITEMS = 40
SUBMIT = """mutation ($items: [BatchItemInput!]!) { submitBatch(input: {
  model: {name: "waiting"}, source: {items: $items}
}) { job { id } errors { message } } }"""


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_of_the_chunks_that_run_beside_a_deadly_one_none_fails(
    database: Database, sqlite_url: str, gate: Gate, tmp_path: Path
) -> None:
    given = environment(sqlite_url, gate, tmp_path)
    port, key, deaths = free_port(), "", 0
    is_over = False
    while not is_over:
        async with serving(port, given, key, module="tests.system.deadly_server") as server:
            if not key:
                key = server.key
                await submit(server)
                await gate.calls_come_to(32)  # four chunks run
            gate.open()
            is_over = await ended_before_its_process(database, server)
            gate.close()
        deaths += not is_over

    assert deaths == MAX_STARTS
    assert await failed(database) == set(range(8, 16))  # those that share a chunk with the deadly item


async def submit(server: Server) -> None:
    items = [{"data": {"tabular": {"records": [{"x": number}]}}} for number in range(ITEMS)]
    assert (await server.ask(SUBMIT, items=items))["submitBatch"]["errors"] == []


async def ended_before_its_process(database: Database, server: Server) -> bool:
    """Waits until the job is terminal, or its process is gone; tells which it was."""
    async with asyncio.timeout(60):
        while server.process.returncode is None:
            async with database.read() as connection:
                status = (await connection.execute(select(jobs.c.status))).scalar_one()
            if JobStatus(status).is_terminal:
                return True
            await asyncio.sleep(0.02)
    return False


async def failed(database: Database) -> set[int]:
    """Returns the places of the items that failed; fails unless all have ended."""
    found = select(predictions.c.item_index, predictions.c.status)
    async with database.read() as connection:
        statuses = {place: status for place, status in await connection.execute(found)}
    assert set(statuses) == set(range(ITEMS))
    return {place for place, status in statuses.items() if status == "FAILED"}
