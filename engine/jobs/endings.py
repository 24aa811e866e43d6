"""Endings: the one place that says which status a job takes when nothing of it is open any more."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from db.queries import jobs as queries
from db.session import Database
from db.tables import JobRow
from db.types import now
from engine.bus.base import Bus
from engine.limits.budgets import settle_job
from engine.values import JobStatus
from engine.webhooks.outbox import tell_of_job

STOPPABLE = (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.PAUSED)


async def end_job(
    database: Database, bus: Bus, job_id: str, ends_as: JobStatus, reason: str | None = None
) -> list[int] | None:
    """Stops a job: nothing of it starts any more, and it takes a terminal status when what runs has ended.

    Returns the chunks that still run, for the engine to cancel; None where the job had ended before.
    """
    async with database.write() as connection:
        job = await queries.lock(connection, job_id)
        if job.status not in STOPPABLE:
            return None
        chunks, items, running = await queries.cancel_chunks(connection, job_id, begun_too=False)
        at = now()
        changes: dict[str, Any] = {"status": JobStatus.CANCELING, "status_reason": reason}
        changes |= {"ending_at": at, "ends_as": ends_as, "canceled": job.canceled + items}
        await close_chunks(connection, job, chunks, changes, at, ends_as)
    bus.announce(f"job:{job_id}", job.sequence)
    return running


async def force_end(database: Database, bus: Bus, job_id: str) -> None:
    """Ends a job that has been CANCELING for long: whoever ran the rest of it is gone."""
    async with database.write() as connection:
        job = await queries.lock(connection, job_id)
        if job.status != JobStatus.CANCELING:
            return
        chunks, items, _ = await queries.cancel_chunks(connection, job_id, begun_too=True)
        await close_chunks(connection, job, chunks, {"canceled": job.canceled + items}, now(), job.ends_as)
    bus.announce(f"job:{job_id}", job.sequence)


async def close_chunks(
    connection: AsyncConnection,
    job: JobRow,
    closed: int,
    changes: dict[str, Any],
    at: datetime,
    ends_as: str | None,
) -> None:
    """Writes what changes with a job of which some chunks have ended; with the last of them it ends."""
    changes["open_chunks"] = job.open_chunks - closed
    if changes["open_chunks"] == 0:
        changes |= {"status": ends_as or JobStatus.SUCCEEDED, "finished_at": at}
        await settle_job(connection, job.id)
        await _tell(connection, job, changes)
    await queries.change(connection, job.id, **changes)


async def _tell(connection: AsyncConnection, job: JobRow, changes: dict[str, Any]) -> None:
    """Writes the webhook of a job that ends in this transaction, if it asked for one."""
    names = ("succeeded", "failed", "canceled")
    await tell_of_job(
        connection,
        project_id=job.project_id,
        job_id=job.id,
        url=job.callback_url,
        status=changes["status"],
        counts={"total": job.total, **{name: changes.get(name, getattr(job, name)) for name in names}},
        request_id=job.request_id,
        metadata=job.meta,
    )
