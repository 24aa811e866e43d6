"""Large jobs over whole processes, and what the database says of them afterwards."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
from sqlalchemy import case, func, select

from db.session import Database
from db.tables.jobs import chunks, jobs
from db.tables.predictions import predictions
from db.tables.usage import usage
from tests.engine.specs import examples
from tests.system.processes import Server

UPLOAD = """mutation ($input: CreateUploadInput!) {
  createUpload(input: $input) { upload { id url } errors { message } } }"""
SUBMIT = """mutation ($input: SubmitBatchInput!) {
  submitBatch(input: $input) { job { id } errors { message } } }"""
PROGRESS = "query ($id: ID!) { job(id: $id) { status counts { total succeeded failed canceled } } }"


def source(count: int) -> bytes:
    """Returns so many items for the embedded breast-cancer model."""
    records = [example["record"] for example in examples("breast-cancer")]
    return b"".join(
        orjson.dumps(
            {
                "customId": f"item {number}",
                "data": {"tabular": {"records": [records[number % len(records)]]}},
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )
        for number in range(count)
    )


async def submit(server: Server, count: int, **more: Any) -> str:
    """Uploads items, submits them and returns the job's global id."""
    content = source(count)
    asked = {
        "filename": "items.jsonl",
        "byteSize": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    upload = (await server.ask(UPLOAD, input=asked))["createUpload"]["upload"]
    async with httpx.AsyncClient(timeout=60) as client:
        assert (await client.put(upload["url"], content=content)).status_code == 201
    batch = {"model": {"name": "breast-cancer"}, "source": {"uploadId": upload["id"]}, **more}
    payload = (await server.ask(SUBMIT, input=batch))["submitBatch"]
    assert payload["errors"] == []
    return payload["job"]["id"]  # type: ignore[no-any-return]


async def state(server: Server, job_id: str) -> dict[str, Any]:
    """Returns a job's status and counts."""
    return (await server.ask(PROGRESS, id=job_id))["job"]  # type: ignore[no-any-return]


async def until_ended(server: Server, job_id: str, seconds: float = 90) -> dict[str, Any]:
    """Waits until a job is terminal."""
    async with asyncio.timeout(seconds):
        while (job := await state(server, job_id))["status"] in ("QUEUED", "RUNNING", "CANCELING"):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return job


async def until_some_succeeded(server: Server, job_id: str, more_than: int) -> int:
    """Waits until more items than that have succeeded, or all, and returns how many have."""
    async with asyncio.timeout(60):
        while True:
            job = await state(server, job_id)
            succeeded: int = job["counts"]["succeeded"]
            if succeeded > more_than or job["status"] not in ("QUEUED", "RUNNING"):
                return succeeded
            await asyncio.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Held:
    """A chunk that a worker has begun; whoever begins it again gets a higher fence."""

    owner: str
    id: int
    fence: int


async def held(database: Database) -> list[Held]:
    """Returns the chunks that workers run now; those of a dead one too, until another begins them."""
    begun = select(chunks.c.owner, chunks.c.id, chunks.c.fence)
    begun = begun.where(chunks.c.state == "offered", chunks.c.owner.is_not(None))
    async with database.read() as connection:
        return [Held(*row) for row in await connection.execute(begun)]


async def progress(database: Database) -> int:
    """Returns how many items of a database's one job have ended."""
    async with database.read() as connection:
        ended: int = (await connection.execute(select(jobs.c.sequence))).scalar_one()
    return ended


async def fences(database: Database) -> dict[int, int]:
    """Returns how often each chunk was begun, by its id."""
    async with database.read() as connection:
        found = await connection.execute(select(chunks.c.id, chunks.c.fence))
    return {key: fence for key, fence in found}


async def let_loose(database: Database) -> None:
    """Lifts the `maxConcurrency` of a job, which clients say once for all, so that its rest is done soon."""
    async with database.write() as connection:
        await connection.execute(jobs.update().values(max_chunks=None))


async def sums(url: str) -> dict[str, Any]:
    """Returns what must agree when a database's one job has ended."""
    database = Database(url)
    try:
        async with database.read() as connection:
            of_a_job = predictions.c.job_id.is_not(None)
            items = select(
                func.count(),
                func.count(func.distinct(predictions.c.item_index)),
                func.count(func.distinct(predictions.c.job_sequence)),
                func.max(predictions.c.job_sequence),
                func.sum(case((predictions.c.status == "SUCCEEDED", 1), else_=0)),
            ).where(of_a_job)
            stored, places, numbers, last, succeeded = (await connection.execute(items)).one()
            joined = usage.join(predictions, predictions.c.id == usage.c.prediction_id)
            bills = select(func.count()).select_from(joined).where(of_a_job)
            billed = (await connection.execute(bills)).scalar_one()
            job = (await connection.execute(select(jobs))).one()
            starts = (await connection.execute(select(func.sum(chunks.c.fence)))).scalar_one()
            parts = (await connection.execute(select(func.count()).select_from(chunks))).scalar_one()
    finally:
        await database.close()
    return {
        "stored": stored,
        "places": places,
        "numbers": numbers,
        "last": last,
        "succeeded": int(succeeded),
        "billed": billed,
        "counted": job.succeeded,
        "sequence": job.sequence,
        "open_chunks": job.open_chunks,
        "run_again": int(starts) - parts,
    }


def all_agree(found: dict[str, Any], count: int) -> None:
    """Fails unless every item was stored, numbered, counted and billed once."""
    assert {name: value for name, value in found.items() if name not in ("open_chunks", "run_again")} == (
        dict.fromkeys(
            ("stored", "places", "numbers", "last", "succeeded", "billed", "counted", "sequence"), count
        )
    )
    assert found["open_chunks"] == 0
