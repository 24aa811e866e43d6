"""Worker: runs a chunk from its start to the one transaction that stores what came of it.

Whoever starts a chunk gets a fencing number, and only who has the newest can store: a worker that was
away for a while, and whose chunk another took up, changes nothing. So an item has one result, however
often it was run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from db.queries import chunks as queries
from db.queries import jobs as job_queries
from db.session import Database
from db.tables import ChunkRow, JobRow
from db.types import new_id, now
from engine import log_ids, tracing
from engine.bus.base import Bus
from engine.errors import InternalError, ModelNotReadyError
from engine.jobs.chunk import Chunk
from engine.jobs.company import Company
from engine.jobs.endings import end_job
from engine.jobs.items import run_items
from engine.jobs.results import Results
from engine.jobs.source import read_items
from engine.jobs.spending import Spending
from engine.limits.budgets import Budgets
from engine.limits.service import Limits
from engine.observer import UNOBSERVED, Observer
from engine.routing.router import Router
from engine.storage.base import MissingFileError, Storage, StorageError
from engine.tracing import Attribute, Kind
from engine.values import JobStatus

log = logging.getLogger(__name__)

MAX_STARTS = 5
MAX_STARTS_BESIDE = 3
"""A chunk that was started so often without an end runs alone: another one may have ended its process."""
NOT_READY_SECONDS = 5.0
KNOWN_JOBS = 500
POISONOUS = "The process that ran it ended, several times: it may be this item, or one of its neighbours."

T = TypeVar("T")
Begun = tuple[ChunkRow, JobRow, str]
"""A chunk that was begun, its job, and the status the job had."""


class Worker:
    """Handles the chunks that an engine hands to this process."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        router: Router,
        storage: Storage,
        limits: Limits,
        budgets: Budgets,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self.owner = new_id()
        self.jobs: dict[int, str] = {}
        """The chunks that run now, and the jobs they belong to."""
        self._database = database
        self._bus = bus
        self._router = router
        self._storage = storage
        self._limits = limits
        self._spending = Spending(database, bus, budgets)
        self._results = Results(database, bus, budgets, router.gates.callers, observer)
        self._known: dict[str, JobRow] = {}
        self._company = Company()

    async def handle(self, chunk_id: int) -> None:
        """Runs a chunk that was offered. Cancelled, it stores what has ended and gives back the rest.

        Raises:
            DatabaseUnavailableError: the chunk stays as it is, and will be offered again.
        """
        async with self._company.beside():
            was_begun = await self._handle(chunk_id, MAX_STARTS_BESIDE)
        if not was_begun and await self._is_suspected(chunk_id):
            async with self._company.alone():
                await self._handle(chunk_id, queries.MANY)

    async def _handle(self, chunk_id: int, most: int) -> bool:
        """Runs a chunk unless it was started `most` times without an end; returns whether it was begun."""
        begun = await self._start(chunk_id, most)
        if begun is None:
            return False
        row, job, status = begun
        self.jobs[chunk_id] = job.id
        try:
            with (
                log_ids.named(request_id=job.request_id, job_id=job.id),
                tracing.span("chunk", Kind.CONSUMER, _about(row), job.traceparent),
            ):
                await self._run(row, job, status)
        finally:
            del self.jobs[chunk_id]
        return True

    async def _is_suspected(self, chunk_id: int) -> bool:
        async with self._database.read() as connection:
            return await queries.starts(connection, chunk_id) >= MAX_STARTS_BESIDE

    async def _start(self, chunk_id: int, most: int) -> Begun | None:
        """Begins a chunk; cancelled meanwhile, it gives it back, if it was begun all the same."""
        starting = asyncio.ensure_future(self._started(chunk_id, most))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait([starting])
            if not starting.exception() and (begun := starting.result()):
                await uncancelled(self._cut(begun[0], None))
            raise

    async def _started(self, chunk_id: int, most: int) -> Begun | None:
        async with self._database.write(patient=True) as connection:
            begun = await queries.start(connection, chunk_id, self.owner, most=most)
        if begun is None:
            return None
        row, status = begun
        return row, await self._job(row.job_id), status

    async def _run(self, row: ChunkRow, job: JobRow, status: str) -> None:
        chunk: Chunk | None = None
        try:
            if status == JobStatus.QUEUED:
                await self._mark_running(row.job_id)
            chunk = await self._prepared(row, job)
            if chunk is None:
                return
            await self._run_items(chunk)
        except asyncio.CancelledError:
            await uncancelled(self._cut(row, chunk))
            raise
        await uncancelled(self._results.store(chunk))

    async def _run_items(self, chunk: Chunk) -> None:
        """Runs what is affordable, and keeps none of it: the thread that stores the items lets go of them."""
        if items := await self._spending.afford(chunk):
            await run_items(chunk, items, self._router, self._limits)

    async def _prepared(self, row: ChunkRow, job: JobRow) -> Chunk | None:
        """Returns the chunk with what is left to run of it; None where it can not run, or not now."""
        try:
            route = self._router.of_job(job)
            chunk = Chunk(row, job, route, self._router.first(route, for_job=True))
            await self._router.gates.callers.go_first()
            await asyncio.to_thread(self._begin, chunk)
        except ModelNotReadyError as error:
            wait = error.retry_after_seconds or NOT_READY_SECONDS
            await self._can_not(row, job, error.message, for_now=error.retryable, seconds=wait)
            return None
        except StorageError as error:
            await self._can_not(row, job, str(error), for_now=not isinstance(error, MissingFileError))
            return None
        if row.starts > MAX_STARTS:
            chunk.give_up(InternalError(POISONOUS))
        return chunk

    async def _cut(self, row: ChunkRow, chunk: Chunk | None) -> None:
        if chunk is None:
            await self._results.give_back(row, 0.0)
        else:
            await self._results.store(chunk)

    def _begin(self, chunk: Chunk) -> None:
        row = chunk.row
        chunk.begin(read_items(self._storage.read(chunk.job.source, row.start_byte, row.end_byte)))

    async def _job(self, job_id: str) -> JobRow:
        """Returns what does not change of a job; the last few hundred are kept."""
        found = self._known.pop(job_id, None)
        if found is None:
            async with self._database.read() as connection:
                found = await job_queries.whole(connection, job_id)
            assert found is not None  # a chunk can not outlive its job
        self._known[job_id] = found
        if len(self._known) > KNOWN_JOBS:
            del self._known[next(iter(self._known))]
        return found

    async def _mark_running(self, job_id: str) -> None:
        async with self._database.write(patient=True) as connection:
            at = now()
            changes = {"started_at": at, "rate_at": at}
            queued = [JobStatus.QUEUED]
            await job_queries.change_status(connection, job_id, queued, JobStatus.RUNNING, **changes)
        self._bus.announce(f"job:{job_id}", JobStatus.RUNNING)

    async def _can_not(
        self, row: ChunkRow, job: JobRow, reason: str, *, for_now: bool, seconds: float = NOT_READY_SECONDS
    ) -> None:
        """Gives a chunk back that can not run, or ends its job where it never will."""
        log.warning("a chunk of job %s can not run: %s", job.id, reason)
        await self._results.give_back(row, seconds)
        if not for_now:
            await end_job(self._database, self._bus, job.id, JobStatus.FAILED, reason)


def _about(row: ChunkRow) -> dict[str, Attribute]:
    return {"foretell.job.id": row.job_id, "foretell.chunk.id": row.id or 0, "foretell.items": row.size}


async def uncancelled(work: Coroutine[Any, Any, T]) -> T:
    """Awaits work to its end even when the caller is cancelled meanwhile; then lets the cancel through."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
