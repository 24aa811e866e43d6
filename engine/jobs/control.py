"""Control: stopping, pausing, resuming and retrying jobs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from db.queries import chunks as chunk_queries
from db.queries import items as item_queries
from db.queries import jobs as queries
from db.session import Database
from db.tables import JobRow
from db.types import now
from engine.bus.base import Bus
from engine.errors import ConflictError, NotFoundError
from engine.jobs.endings import STOPPABLE, end_job
from engine.jobs.engine import Engine
from engine.jobs.feeder import TOPIC
from engine.values import JobStatus, Viewer


class Control:
    """What may be done with a job, whoever works it off."""

    def __init__(self, database: Database, bus: Bus, engine: Engine) -> None:
        self._database = database
        self._bus = bus
        self._engine = engine

    async def cancel(self, viewer: Viewer, job_id: str) -> JobRow:
        """Stops a job: nothing of it starts any more, what runs is cancelled, what has ended stays.

        Raises:
            NotFoundError: the project has no such job.
            ConflictError: it has ended.
        """
        job = await find_job(self._database, viewer, job_id)
        running = await end_job(self._database, self._bus, job_id, JobStatus.CANCELED)
        if running is None and job.status != JobStatus.CANCELING:
            raise _ended(job)
        for chunk_id in running or ():
            await self._engine.cancel(chunk_id)
        return await find_job(self._database, viewer, job_id)

    async def pause(self, viewer: Viewer, job_id: str) -> JobRow:
        """Lets nothing more of a job start until it is resumed; what runs goes on to its end.

        Raises:
            NotFoundError: the project has no such job.
            ConflictError: it has ended, or is ending.
        """
        job = await find_job(self._database, viewer, job_id)
        if not await pause_job(self._database, self._bus, job_id) and job.status != JobStatus.PAUSED:
            raise _ended(job)
        return await find_job(self._database, viewer, job_id)

    async def resume(self, viewer: Viewer, job_id: str) -> JobRow:
        """Lets a paused job go on; one that goes on already does so.

        Raises:
            NotFoundError: the project has no such job.
            ConflictError: it has ended, or is ending.
        """
        job = await find_job(self._database, viewer, job_id)
        after = JobStatus.RUNNING if job.started_at is not None else JobStatus.QUEUED
        changes = {"status_reason": None, "rate_at": now(), "rate_sequence": job.sequence, "not_before": None}
        async with self._database.write() as connection:
            paused = [JobStatus.PAUSED]
            was_paused = await queries.change_status(connection, job_id, paused, after, **changes)
        if not was_paused and job.status not in STOPPABLE:
            raise _ended(job)
        self._bus.announce(TOPIC, job_id)
        self._bus.announce(f"job:{job_id}", after)
        return await find_job(self._database, viewer, job_id)

    async def retry(self, viewer: Viewer, job_id: str, *, permanent_too: bool) -> JobRow:
        """Queues failed items of a job that has ended again; their first results stay, as replaced ones.

        Raises:
            NotFoundError: the project has no such job.
            ConflictError: it has not ended, or nothing of it can be retried.
        """
        job = await find_job(self._database, viewer, job_id)
        async with self._database.write() as connection:
            job = await queries.lock(connection, job_id)
            if not JobStatus(job.status).is_terminal:
                raise ConflictError(f"The job is {job.status}.", path=("input", "id"), retryable=True)
            if not job.source:
                raise ConflictError("The job's items are not kept any more.", path=("input", "id"))
            failed = await item_queries.replace_failed(connection, job_id, permanent_too=permanent_too)
            if not failed:
                what = "failed" if permanent_too else "failed in a way that may be better next time"
                raise ConflictError(f"No item {what}.", path=("input", "id"))
            parts = _by_chunk(await chunk_queries.firsts(connection, job_id), failed)
            await chunk_queries.reopen(connection, job_id, parts)
            at = now()
            await queries.change(
                connection,
                job_id,
                status=JobStatus.QUEUED,
                status_reason=None,
                failed=job.failed - len(failed),
                open_chunks=len(parts),
                finished_at=None,
                ending_at=None,
                ends_as=None,
                not_before=None,
                rate=None,
                rate_at=at,
                rate_sequence=job.sequence,
                deadline_at=at + (job.deadline_at - job.created_at),
            )
        self._bus.announce(TOPIC, job_id)
        self._bus.announce(f"job:{job_id}", job.sequence)
        return await find_job(self._database, viewer, job_id)


async def find_job(database: Database, viewer: Viewer, job_id: str) -> JobRow:
    """Returns a job of the viewer's project.

    Raises:
        NotFoundError: the viewer sees no such job.
    """
    async with database.read() as connection:
        rows = await queries.by_id(connection, viewer.project_id, [job_id])
    if not rows or not viewer.sees(rows[0].model_id):
        raise NotFoundError("There is no such job.", path=("input", "id"))
    return rows[0]


async def pause_job(database: Database, bus: Bus, job_id: str, reason: str | None = None) -> bool:
    """Pauses a job that is to run, and says why; returns whether it was to run."""
    async with database.write() as connection:
        changes = {"status_reason": reason, "rate": None}
        paused = await queries.change_status(
            connection, job_id, queries.RUNNABLE, JobStatus.PAUSED, **changes
        )
        if paused:
            await queries.pause_chunks(connection, job_id)
    bus.announce(f"job:{job_id}", JobStatus.PAUSED)
    return paused


def _by_chunk(firsts: Sequence[int], items: Sequence[int]) -> dict[int, dict[str, int]]:
    """Returns the items of each chunk, known by its first one, as items that were not tried yet."""
    parts: dict[int, dict[str, int]] = {}
    for item in items:
        first = firsts[bisect_right(firsts, item) - 1]
        parts.setdefault(first, {})[str(item)] = 0
    return parts


def _ended(job: JobRow) -> ConflictError:
    return ConflictError(f"The job is {job.status}.", path=("input", "id"))
