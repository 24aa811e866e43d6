"""Statements about predictions.

A status changes only by compare-and-set: every UPDATE names the statuses (and, while it runs, the
owner) it starts from, and tells by its row count whether it was the one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, cast

from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    Update,
    bindparam,
    func,
    insert,
    literal,
    literal_column,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from db.filters import PredictionFilter
from db.pages import Order, Page, Window, read_page, read_page_per_parent, read_prepared_page
from db.prepared import Prepared
from db.prepared_writes import PreparedWrite
from db.tables.base import columns_but
from db.tables.jobs import jobs
from db.tables.models import model_versions, models
from db.tables.predictions import PredictionRow, predictions
from db.types import Time, first_id_at, storable

# Spelled out, because SQLite finds a partial index only by the words of its condition.
OPEN = predictions.c.status.in_([literal_column("'QUEUED'"), literal_column("'RUNNING'")])
UNLUCKY = predictions.c.status != literal_column("'SUCCEEDED'")
CHUNK = 1000
LARGE = ("input", "output", "explanation")

# A list reads everything but what may be megabytes; `blobs` reads that for those who ask.
LISTED = columns_but(predictions, *LARGE)

Columns = frozenset[str] | None
"""What the rows of a list have, beside their id and what they are sorted by; None: all but the large ones."""

EVERYTHING = PredictionFilter()
COLUMNS = tuple(str(column.key) for column in predictions.columns)
VALUES = attrgetter(*COLUMNS)
ADD = PreparedWrite(insert(predictions), COLUMNS)

IN_PROJECT = predictions.c.project_id == bindparam("project_id")
LIST = select(*LISTED).where(IN_PROJECT)
_AMONG = predictions.c.id.in_(bindparam("ids", expanding=True))
BY_ID = Prepared(LIST.where(_AMONG), lists=["ids"])
BLOBS = {
    name: Prepared(select(predictions.c.id, predictions.c[name]).where(IN_PROJECT, _AMONG), lists=["ids"])
    for name in LARGE
}

ORDERS: Mapping[str, tuple[Column[Any], ...]] = {
    "CREATED_AT": (predictions.c.id,),
    "FINISHED_AT": (predictions.c.finished_at, predictions.c.id),
}
# Of one job there is a better index for each: its items have numbers, given in the order in which they ended.
JOB_ORDERS: Mapping[str, tuple[Column[Any], ...]] = {
    "CREATED_AT": (predictions.c.job_sequence,),
    "FINISHED_AT": (predictions.c.job_sequence,),
    "INDEX": (predictions.c.item_index,),
}
PARENTS: Mapping[str, tuple[Column[Any], Column[Any]]] = {
    "model": (predictions.c.model_id, models.c.id),
    "model_version": (predictions.c.model_version_id, model_versions.c.id),
    "job": (predictions.c.job_id, jobs.c.id),
}


@cache
def order(name: str, *, descending: bool, of_job: bool = False) -> Order:
    """Returns the order of predictions by CREATED_AT, FINISHED_AT (the finished ones) or INDEX (a job's)."""
    return Order(name, (JOB_ORDERS if of_job else ORDERS)[name], descending)


async def add(connection: AsyncConnection, row: PredictionRow) -> None:
    """Stores a prediction that was accepted."""
    await ADD.run(connection, dict(zip(COLUMNS, VALUES(row), strict=True)))


async def by_id(connection: AsyncConnection, project_id: str, ids: Sequence[str]) -> Sequence[PredictionRow]:
    """Finds a project's predictions by id, without their large columns, in no particular order."""
    return cast(Sequence[PredictionRow], await BY_ID.all(connection, project_id=project_id, ids=ids))


async def blobs(
    connection: AsyncConnection, project_id: str, column: str, ids: Sequence[str]
) -> Mapping[str, Any]:
    """Reads one large column (`input`, `output` or `explanation`) of some of a project's predictions."""
    rows = await BLOBS[column].all(connection, project_id=project_id, ids=ids)
    return {row.id: getattr(row, column) for row in rows}


async def shadows_of(
    connection: AsyncConnection, project_id: str, ids: Sequence[str]
) -> Sequence[PredictionRow]:
    """Finds the copies that shadow targets got of a project's predictions, at most one of each."""
    mine = (predictions.c.project_id == project_id, predictions.c.shadow_of.in_(ids))
    return cast(Sequence[PredictionRow], (await connection.execute(select(*LISTED).where(*mine))).all())


async def page(
    connection: AsyncConnection,
    project_id: str,
    wanted: PredictionFilter,
    sorting: Order,
    window: Window,
    columns: Columns = None,
) -> Page[PredictionRow]:
    """Reads a page of a project's predictions."""
    if wanted == EVERYTHING:
        statement = _everything(columns, sorting.columns)
        return await read_prepared_page(connection, statement, sorting, window, project_id=project_id)
    listed = select(*_listed(columns, sorting.columns))
    return await read_page(connection, _filtered(listed, project_id, wanted), sorting, window)


@lru_cache(maxsize=500)
def _everything(columns: Columns, needed: tuple[Column[Any], ...]) -> Select[Any]:
    """Returns what `EVERYTHING` asks for: the same object each time, so that it is prepared once."""
    return select(*_listed(columns, needed)).where(IN_PROJECT, predictions.c.shadow_of.is_(None))


def _listed(columns: Columns, needed: Sequence[Column[Any]]) -> list[Column[Any]]:
    if columns is None:
        return LISTED
    return [column for column in LISTED if column.key in columns or column in (predictions.c.id, *needed)]


async def pages_of(
    connection: AsyncConnection,
    parent: str,
    parent_ids: Sequence[str],
    project_id: str,
    wanted: PredictionFilter,
    sorting: Order,
    window: Window,
    columns: Columns = None,
) -> list[Page[PredictionRow]]:
    """Reads a page of a project's predictions for each of some parents (a key of `PARENTS`)."""
    link = PARENTS[parent]
    listed = select(*_listed(columns, (*sorting.columns, link[0])))
    statement = _filtered(listed, project_id, wanted).where(*_current(parent))
    return await read_page_per_parent(connection, statement, link, parent_ids, sorting, window)


async def count(connection: AsyncConnection, project_id: str, wanted: PredictionFilter) -> int:
    """Counts a project's predictions."""
    statement = _filtered(select(func.count()).select_from(predictions), project_id, wanted)
    return int((await connection.execute(statement)).scalar_one())


async def counts_of(
    connection: AsyncConnection,
    parent: str,
    parent_ids: Sequence[str],
    project_id: str,
    wanted: PredictionFilter,
) -> Mapping[str, int]:
    """Counts a project's predictions for each of some parents."""
    foreign, _ = PARENTS[parent]
    counted = _filtered(select(foreign, func.count()), project_id, wanted).where(*_current(parent))
    statement = counted.where(foreign.in_(parent_ids))
    return {key: number for key, number in (await connection.execute(statement.group_by(foreign))).all()}


def _filtered(statement: Select[Any], project_id: str, wanted: PredictionFilter) -> Select[Any]:
    return statement.where(predictions.c.project_id == project_id, *_conditions(wanted))


def _conditions(wanted: PredictionFilter) -> list[ColumnElement[bool]]:
    any_of: list[ColumnElement[bool]] = [
        predictions.c[name].in_(values)
        for name in ("status", "model_id", "model_version_id", "api_key_id")
        if (values := getattr(wanted, name)) is not None
    ]
    if wanted.custom_id is not None:
        any_of.append(predictions.c.custom_id.in_(list(filter(storable, wanted.custom_id))))
    if wanted.job_id is not None:
        any_of += [predictions.c.job_id == wanted.job_id, *_current("job")]
    any_of.append(
        predictions.c.shadow_of.is_not(None) if wanted.shadow else predictions.c.shadow_of.is_(None)
    )
    if wanted.status is not None and "SUCCEEDED" not in wanted.status:
        any_of.append(UNLUCKY)
    if wanted.cached is not None:
        any_of.append(predictions.c.cached.is_(wanted.cached))
    if wanted.finished:
        any_of.append(predictions.c.finished_at.is_not(None))
    if wanted.since is not None:
        any_of.append(predictions.c.id >= first_id_at(wanted.since))
    if wanted.until is not None:
        any_of.append(predictions.c.id < first_id_at(wanted.until))
    return any_of


def _current(parent: str) -> list[ColumnElement[bool]]:
    """A job's predictions are those that a retry has not replaced."""
    return [~predictions.c.is_replaced] if parent == "job" else []


async def start(
    connection: AsyncConnection, prediction_id: str, owner: str, at: datetime, lease_until: datetime
) -> bool:
    """QUEUED → RUNNING for the owner who holds it; returns whether it was there to start."""
    queued = predictions.c.status == "QUEUED"
    statement = _owned(prediction_id, owner).where(queued)
    changes = statement.values(status="RUNNING", started_at=at, lease_until=lease_until)
    return (await connection.execute(changes)).rowcount == 1


async def finish(
    connection: AsyncConnection, prediction_id: str, owner: str, changes: Mapping[str, Any]
) -> bool:
    """QUEUED | RUNNING → the terminal status in `changes`, for the owner; returns whether it was open."""
    changes = {**changes, "owner": None, "lease_until": None}
    the = {"the_id": prediction_id, "the_owner": owner}
    return await _finish(tuple(changes)).run(connection, {**changes, **the}) == 1


@lru_cache(maxsize=64)
def _finish(names: tuple[str, ...]) -> PreparedWrite:
    mine = (predictions.c.id == bindparam("the_id"), predictions.c.owner == bindparam("the_owner"))
    return PreparedWrite(update(predictions).where(*mine, OPEN), names)


async def renew_leases(connection: AsyncConnection, owner: str, ids: Sequence[str], until: datetime) -> None:
    """Tells that an owner lives and still runs these; a lease of what it lost runs out."""
    running = update(predictions).where(predictions.c.owner == owner, OPEN)
    for start in range(0, len(ids), CHUNK):
        some = predictions.c.id.in_(ids[start : start + CHUNK])
        await connection.execute(running.where(some).values(lease_until=until))


async def request_cancel(connection: AsyncConnection, prediction_id: str) -> None:
    """Asks the owner of an open prediction to cancel it."""
    statement = update(predictions).where(predictions.c.id == prediction_id, OPEN)
    await connection.execute(statement.values(cancel_requested=True))


async def cancel_requests(connection: AsyncConnection, owner: str) -> Sequence[str]:
    """Finds what an owner is asked to cancel."""
    asked = (predictions.c.owner == owner, OPEN, predictions.c.cancel_requested)
    return (await connection.execute(select(predictions.c.id).where(*asked))).scalars().all()


async def abandoned(
    connection: AsyncConnection, now: datetime, after: PredictionRow | None, limit: int
) -> Sequence[PredictionRow]:
    """Finds open predictions whose owner let the lease run out, the oldest first, with their input.

    `after` is the last one of the page before.
    """
    out = (OPEN, predictions.c.lease_until < now)
    statement = select(predictions).where(*out)
    if after is not None:
        place = tuple_(predictions.c.lease_until, predictions.c.id)
        statement = statement.where(place > tuple_(literal(after.lease_until, Time), literal(after.id)))
    found = await connection.execute(
        statement.order_by(predictions.c.lease_until, predictions.c.id).limit(limit)
    )
    return cast(Sequence[PredictionRow], found.all())


async def expire_leases(connection: AsyncConnection, at: datetime) -> None:
    """Declares every owner gone; only for a process that knows it is alone with the database."""
    owned = (OPEN, predictions.c.owner.is_not(None))
    await connection.execute(update(predictions).where(*owned).values(lease_until=at))


async def take_over(
    connection: AsyncConnection, row: PredictionRow, owner: str, lease_until: datetime
) -> bool:
    """Makes an abandoned prediction QUEUED again, for a new owner; returns whether nobody was faster.

    An attempt that was cut short counts, so that one which kills its process is not tried for ever; one
    that was still QUEUED had none.
    """
    statement = _owned(row.id, row.owner).where(predictions.c.lease_until == row.lease_until)
    changes = statement.values(
        status="QUEUED",
        attempts=predictions.c.attempts + int(row.status != "QUEUED"),
        owner=owner,
        lease_until=lease_until,
    )
    return (await connection.execute(changes)).rowcount == 1


def _owned(prediction_id: str, owner: str | None) -> Update:
    return update(predictions).where(predictions.c.id == prediction_id, predictions.c.owner == owner)
