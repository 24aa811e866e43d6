"""A bench: what jobs stand on in one process, over the told backend, with workers to start and to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from db.session import Database
from db.tables import ChunkRow, JobRow, PredictionRow
from db.tables.jobs import chunks, jobs
from db.tables.predictions import predictions
from db.tables.usage import usage
from engine.backends.base import Result
from engine.bus.memory import MemoryBus
from engine.errors import ProcessingError
from engine.jobs.engine import LocalEngine
from engine.jobs.service import Foundation, Jobs, begin_alone, working
from engine.jobs.worker import Worker
from engine.signing import Links
from engine.storage.directory import DirectoryStorage
from engine.values import BatchItem, BatchRequest, JobStatus, ModelRef, PredictionData, Viewer
from tests.engine.specs import tabular
from tests.engine.workshop import ToldBackend, Workshop, answer


class ManyToldBackend(ToldBackend):
    """A told backend that takes many inputs at once; one whose `x` is in `bad` fails alone."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.bad: dict[float, ProcessingError] = {}

    async def predict_many(self, inputs: Sequence[PredictionData]) -> list[Result | ProcessingError]:
        self.batches.append(len(inputs))
        self.calls += inputs
        self._changed.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return [self.bad.get(data.value["records"][0]["x"]) or answer(data) for data in inputs]


@dataclass
class Bench:
    """What a test of jobs works with."""

    database: Database
    base: Foundation
    jobs: Jobs
    viewer: Viewer
    backend: ToldBackend

    @classmethod
    def of(cls, workshop: Workshop, directory: Path) -> Bench:
        here = workshop.here
        base = Foundation(
            workshop.database,
            MemoryBus(),
            here.router,
            DirectoryStorage(directory),
            LocalEngine(),
            Links(b"secret", "http://here"),
            here.limits,
            here.budgets,
        )
        return cls(workshop.database, base, Jobs.on(base), workshop.viewer, workshop.backend)

    async def submit(self, count: int = 3, **more: Any) -> JobRow:
        """Takes in a job whose items have the `x` 0, 1, …"""
        items = tuple(BatchItem(f"item {x}", tabular({"x": x})) for x in range(count))
        return await self.submit_items(items, **more)

    async def submit_items(self, items: Sequence[BatchItem], **more: Any) -> JobRow:
        viewer = more.pop("viewer", self.viewer)
        request = BatchRequest(ModelRef(name="told"), items=tuple(items), **more)
        job, _ = await self.jobs.batches.submit(viewer, request, "request")
        return job

    @asynccontextmanager
    async def working(self, *, slots: int = 2, alone: bool = True) -> AsyncIterator[Worker]:
        """Works off jobs while the context lasts, as a process does that was just started."""
        base = self.base if alone else _beside(self.base)
        if alone:
            await begin_alone(self.database)
        async with working(base, slots=slots) as worker:
            yield worker

    async def job(self, job_id: str) -> JobRow:
        async with self.database.read() as connection:
            row = (await connection.execute(select(jobs).where(jobs.c.id == job_id))).one()
        return JobRow(**row._asdict())

    async def items(self, job_id: str) -> list[PredictionRow]:
        """Reads the predictions of a job, in the order in which they ended."""
        mine = select(predictions).where(predictions.c.job_id == job_id)
        async with self.database.read() as connection:
            rows = (await connection.execute(mine.order_by(predictions.c.job_sequence))).all()
        return [PredictionRow(**row._asdict()) for row in rows]

    async def chunks(self, job_id: str) -> list[ChunkRow]:
        mine = select(chunks).where(chunks.c.job_id == job_id).order_by(chunks.c.first)
        async with self.database.read() as connection:
            return [ChunkRow(**row._asdict()) for row in (await connection.execute(mine)).all()]

    async def database_is_used_until(self, end: Coroutine[Any, Any, Any]) -> None:
        """Writes what somebody waits for, again and again, until something has come to its end."""
        task = asyncio.ensure_future(end)
        async with asyncio.timeout(20):
            while not task.done():
                async with self.database.write():
                    pass
                await asyncio.wait([task], timeout=0.1)
        await task

    async def billed(self, job_id: str) -> int:
        """Counts the ledger rows of a job."""
        mine = select(func.count()).select_from(usage).where(usage.c.job_id == job_id)
        async with self.database.read() as connection:
            return int((await connection.execute(mine)).scalar_one())

    async def rested(self, job_id: str) -> JobRow:
        """Waits until all that the backend was asked for a job is stored and nothing more is asked."""
        async with asyncio.timeout(20):
            while True:
                asked = len(self.backend.calls)
                await asyncio.sleep(0.2)
                row = await self.job(job_id)
                if row.succeeded == asked == len(self.backend.calls):
                    return row

    async def ended(self, job_id: str) -> JobRow:
        """Waits until a job is terminal, and returns it."""
        async with asyncio.timeout(20):
            while not JobStatus((row := await self.job(job_id)).status).is_terminal:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return row


def _beside(base: Foundation) -> Foundation:
    """Returns the foundation of another process: with an engine and a bus of its own."""
    return replace(base, bus=MemoryBus(), engine=LocalEngine())
