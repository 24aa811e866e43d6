"""Statements about jobs: finding them, and moving them from one status to the next.

Whoever changes a job and its chunks together locks the job first, so that two who do so at once take turns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Column, ColumnElement, Select, bindparam, func, insert, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.filters import JobFilter
from db.pages import Order, Page, Window, read_page, read_page_per_parent
from db.prepared import Prepared
from db.prepared_writes import PreparedWrite
from db.tables.jobs import ChunkRow, JobRow, chunks, jobs
from db.tables.models import models
from db.types import first_id_at

RUNNABLE = ("QUEUED", "RUNNING")
ACTIVE = (*RUNNABLE, "PAUSED", "CANCELING")
OPEN = ("pending", "offered")
LOCKED = Prepared(
    select(jobs).where(jobs.c.id == bindparam("job_id")).with_for_update()  # SQLite has one writer anyway
)
CANCELING = Prepared(
    select(jobs.c.id).where(
        jobs.c.id.in_(bindparam("ids", expanding=True)), jobs.c.status == literal_column("'CANCELING'")
    ),
    lists=["ids"],
)

ORDERS: Mapping[str, tuple[Column[Any], ...]] = {
    "CREATED_AT": (jobs.c.id,),
    "FINISHED_AT": (jobs.c.finished_at, jobs.c.id),
}


def order(name: str, *, descending: bool) -> Order:
    """Returns the order of jobs by CREATED_AT, or of the finished ones by FINISHED_AT."""
    return Order(name, ORDERS[name], descending)


async def add(connection: AsyncConnection, job: JobRow, parts: Sequence[ChunkRow]) -> None:
    """Stores a job with its chunks."""
    await connection.execute(insert(jobs).values(job.model_dump()))
    await connection.execute(insert(chunks), [part.model_dump(exclude={"id"}) for part in parts])


async def by_id(connection: AsyncConnection, project_id: str, ids: Sequence[str]) -> Sequence[JobRow]:
    """Finds a project's jobs by id, in no particular order."""
    mine = (jobs.c.project_id == project_id, jobs.c.id.in_(ids))
    return cast(Sequence[JobRow], (await connection.execute(select(jobs).where(*mine))).all())


async def whole(connection: AsyncConnection, job_id: str) -> JobRow | None:
    """Finds a job whatever project it belongs to; for those who work it off."""
    return cast(JobRow | None, (await connection.execute(select(jobs).where(jobs.c.id == job_id))).first())


async def lock(connection: AsyncConnection, job_id: str) -> JobRow:
    """Reads a job that nobody else changes before this transaction ends."""
    return cast(JobRow, await LOCKED.first(connection, job_id=job_id))


async def change(connection: AsyncConnection, job_id: str, **changes: Any) -> None:
    """Changes columns of a job that is locked."""
    await _change(tuple(changes)).run(connection, {**changes, "the_id": job_id})


@lru_cache(maxsize=64)
def _change(names: tuple[str, ...]) -> PreparedWrite:
    return PreparedWrite(update(jobs).where(jobs.c.id == bindparam("the_id")), names)


async def change_status(
    connection: AsyncConnection, job_id: str, before: Sequence[str], after: str, **changes: Any
) -> bool:
    """Moves a job from one of some statuses to another; returns whether it was in one of them."""
    statement = update(jobs).where(jobs.c.id == job_id, jobs.c.status.in_(before))
    return (await connection.execute(statement.values(status=after, **changes))).rowcount == 1


async def page(
    connection: AsyncConnection, project_id: str, wanted: JobFilter, sorting: Order, window: Window
) -> Page[JobRow]:
    """Reads a page of a project's jobs."""
    return await read_page(connection, _filtered(select(jobs), project_id, wanted), sorting, window)


async def pages_of_models(
    connection: AsyncConnection,
    model_ids: Sequence[str],
    project_id: str,
    wanted: JobFilter,
    sorting: Order,
    window: Window,
) -> list[Page[JobRow]]:
    """Reads a page of a project's jobs for each of some models."""
    statement = _filtered(select(jobs), project_id, wanted)
    link = (jobs.c.model_id, models.c.id)
    return await read_page_per_parent(connection, statement, link, model_ids, sorting, window)


async def count(connection: AsyncConnection, project_id: str, wanted: JobFilter) -> int:
    """Counts a project's jobs."""
    statement = _filtered(select(func.count()).select_from(jobs), project_id, wanted)
    return int((await connection.execute(statement)).scalar_one())


async def counts_of_models(
    connection: AsyncConnection, model_ids: Sequence[str], project_id: str, wanted: JobFilter
) -> Mapping[str, int]:
    """Counts a project's jobs for each of some models."""
    counted = _filtered(select(jobs.c.model_id, func.count()), project_id, wanted)
    statement = counted.where(jobs.c.model_id.in_(model_ids)).group_by(jobs.c.model_id)
    return {key: number for key, number in (await connection.execute(statement)).all()}


def _filtered(statement: Select[Any], project_id: str, wanted: JobFilter) -> Select[Any]:
    return statement.where(jobs.c.project_id == project_id, *_conditions(wanted))


def _conditions(wanted: JobFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.status is not None:
        conditions.append(jobs.c.status.in_(wanted.status))
    if wanted.model_id is not None:
        conditions.append(jobs.c.model_id.in_(wanted.model_id))
    if wanted.finished:
        conditions.append(jobs.c.finished_at.is_not(None))
    if wanted.since is not None:
        conditions.append(jobs.c.id >= first_id_at(wanted.since))
    if wanted.until is not None:
        conditions.append(jobs.c.id < first_id_at(wanted.until))
    return conditions


async def running_items(connection: AsyncConnection, job_ids: Sequence[str]) -> Mapping[str, int]:
    """Counts the items of some jobs that a worker has begun and not finished."""
    begun = (chunks.c.state == "offered", chunks.c.owner.is_not(None), chunks.c.job_id.in_(job_ids))
    counted = select(chunks.c.job_id, func.sum(chunks.c.items_left)).where(*begun).group_by(chunks.c.job_id)
    return {job_id: int(number) for job_id, number in (await connection.execute(counted)).all()}


async def pause_chunks(connection: AsyncConnection, job_id: str) -> None:
    """Takes back what of a job was offered and not begun."""
    waiting = (chunks.c.job_id == job_id, chunks.c.state == "offered", chunks.c.owner.is_(None))
    await connection.execute(update(chunks).where(*waiting).values(state="pending", offered_at=None))


async def cancel_chunks(
    connection: AsyncConnection, job_id: str, *, begun_too: bool
) -> tuple[int, int, list[int]]:
    """Cancels a job's open chunks that nobody has begun, or all of them.

    Returns how many chunks those were, how many items were left in them, and the ids of those that run on.
    """
    is_open = (chunks.c.job_id == job_id, chunks.c.state.in_(OPEN))
    doomed = is_open if begun_too else (*is_open, chunks.c.owner.is_(None))
    statement = update(chunks).where(*doomed).values(state="canceled", owner=None)
    items = (await connection.execute(statement.returning(chunks.c.items_left))).scalars().all()
    running = (await connection.execute(select(chunks.c.id).where(*is_open))).scalars().all()
    return len(items), sum(items), list(running)


async def canceling(connection: AsyncConnection, job_ids: Sequence[str]) -> Sequence[str]:
    """Finds which of some jobs are CANCELING."""
    return [row.id for row in await CANCELING.all(connection, ids=list(job_ids))]


async def overdue(connection: AsyncConnection, at: datetime) -> Sequence[str]:
    """Finds active jobs whose completion window has passed."""
    late = (jobs.c.status.in_((*RUNNABLE, "PAUSED")), jobs.c.deadline_at <= at)
    return (await connection.execute(select(jobs.c.id).where(*late))).scalars().all()


async def stuck(connection: AsyncConnection, before: datetime) -> Sequence[str]:
    """Finds jobs that have been CANCELING since before a time: whoever runs their chunks does not answer."""
    late = (jobs.c.status == "CANCELING", jobs.c.ending_at <= before)
    return (await connection.execute(select(jobs.c.id).where(*late))).scalars().all()
