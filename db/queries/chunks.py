"""Statements about chunks: handing them out, starting them, and storing what came of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Integer,
    Update,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningUpdate

from db.prepared import Prepared
from db.prepared_writes import PreparedWrite
from db.queries.jobs import RUNNABLE
from db.tables.jobs import ChunkRow, chunks, jobs
from db.types import Json

FEEDER_LOCK = 0x666F7266
MANY = 2**31 - 1
"""More starts than there are."""
OFFERED = chunks.c.state == literal_column("'offered'")
IS_RUNNABLE = jobs.c.status.in_([literal_column(f"'{each}'") for each in RUNNABLE])


def _start() -> ReturningUpdate[Any]:
    mine = jobs.c.id == chunks.c.job_id
    runnable = exists().where(mine, IS_RUNNABLE)
    mine_to_start = (
        chunks.c.id == bindparam("chunk_id"),
        OFFERED,
        runnable,
        chunks.c.starts < bindparam("most"),
    )
    one: ColumnElement[int] = literal_column("1")
    begun = {"fence": chunks.c.fence + one, "starts": chunks.c.starts + one, "owner": bindparam("worker")}
    status = select(jobs.c.status).where(mine).scalar_subquery()
    return update(chunks).where(*mine_to_start).values(begun).returning(*chunks.c, status.label("job_status"))


START = Prepared(_start())
_MINE = (chunks.c.id == bindparam("the_id"), chunks.c.fence == bindparam("the_fence"), OFFERED)
FINISH = PreparedWrite(update(chunks).where(*_MINE), ("state", "owner", "offered_at"))
KEEP = PreparedWrite(update(chunks).where(*_MINE), ("tries", "items_left"))

PENDING = (
    chunks.c.state == literal_column("'pending'"),
    or_(chunks.c.not_before.is_(None), chunks.c.not_before <= bindparam("at")),
)
IS_TIME = or_(jobs.c.not_before.is_(None), jobs.c.not_before <= bindparam("at"))
CANDIDATES = Prepared(
    select(jobs.c.id, jobs.c.project_id, jobs.c.priority, jobs.c.max_chunks)
    .where(IS_RUNNABLE, IS_TIME, exists().where(chunks.c.job_id == jobs.c.id, *PENDING))
    .order_by(jobs.c.priority, jobs.c.id)
    .limit(bindparam("most", type_=Integer))
)
HANDED_OUT = Prepared(
    select(jobs.c.id, jobs.c.project_id, chunks.c.offered_by, func.count().label("chunks"))
    .select_from(chunks.join(jobs, jobs.c.id == chunks.c.job_id))
    .where(OFFERED)
    .group_by(jobs.c.id, jobs.c.project_id, chunks.c.offered_by)
)
FIRST = Prepared(
    select(chunks.c.id)
    .where(chunks.c.job_id == bindparam("job_id"), *PENDING)
    .order_by(chunks.c.first)
    .limit(bindparam("most", type_=Integer))
    .with_for_update()
)
HAND_OUT = Prepared(
    update(chunks)
    .where(chunks.c.id.in_(bindparam("keys", expanding=True)))  # alone, or SQLite looks through all pending
    .values(state="offered", offered_at=bindparam("at"), offered_by=bindparam("feeder"), owner=None)
    .returning(chunks.c.id),
    lists=["keys"],
)
ONE_FEEDER = Prepared(select(func.pg_advisory_xact_lock(literal_column(str(FEEDER_LOCK))).label("locked")))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job that has something to hand out: its project, and what decides whose turn it is."""

    job_id: str
    project_id: str
    priority: int
    max_chunks: int | None


@dataclass(frozen=True, slots=True)
class Offered:
    """How many chunks of a job are handed out now, by one feeder."""

    job_id: str
    project_id: str
    feeder: str
    chunks: int


async def one_feeder(connection: AsyncConnection) -> None:
    """Lets one feeder at a time go on, until the end of its transaction."""
    if connection.dialect.name == "postgresql":
        await ONE_FEEDER.first(connection)


async def candidates(connection: AsyncConnection, at: datetime, limit: int = 1000) -> Sequence[Candidate]:
    """Finds jobs with a chunk that may start now: by priority, then the oldest first."""
    return [Candidate(*row) for row in await CANDIDATES.all(connection, at=at, most=limit)]


async def offered(connection: AsyncConnection) -> Sequence[Offered]:
    """Counts what is handed out, by job and feeder."""
    return [Offered(*row) for row in await HANDED_OUT.all(connection)]


async def offer(
    connection: AsyncConnection, job_id: str, number: int, feeder: str, at: datetime
) -> Sequence[int]:
    """Hands out the first chunks of a job that may start now, and returns their ids."""
    found = await FIRST.all(connection, job_id=job_id, at=at, most=number)
    keys = [row.id for row in found]
    if keys:
        await HAND_OUT.all(connection, keys=keys, at=at, feeder=feeder)
    return keys


async def hanging(connection: AsyncConnection, before: datetime, limit: int = 1000) -> Sequence[int]:
    """Finds chunks that were handed out before a time and have not come to their end."""
    old = (chunks.c.state == "offered", chunks.c.offered_at <= before)
    statement = select(chunks.c.id).where(*old).order_by(chunks.c.offered_at).limit(limit)
    return (await connection.execute(statement)).scalars().all()


async def take_back_all(connection: AsyncConnection) -> None:
    """Takes back whatever was handed out; only for a process that knows it is alone with the database."""
    statement = update(chunks).where(chunks.c.state == "offered")
    await connection.execute(statement.values(state="pending", owner=None, offered_at=None))


async def start(
    connection: AsyncConnection, chunk_id: int, owner: str, *, most: int = MANY
) -> tuple[ChunkRow, str] | None:
    """Begins a chunk that is handed out, for an owner, and returns it with its job's status.

    None where it ended, its job is not to run now, or it was started `most` times without an end.
    """
    row = await START.first(connection, chunk_id=chunk_id, worker=owner, most=most)
    return None if row is None else (cast(ChunkRow, row), row.job_status)


async def starts(connection: AsyncConnection, chunk_id: int) -> int:
    """Tells how often a chunk that is handed out was started without an end."""
    of_one = select(chunks.c.starts).where(chunks.c.id == chunk_id, OFFERED)
    return (await connection.execute(of_one)).scalar() or 0


async def finish(connection: AsyncConnection, chunk: ChunkRow, state: str) -> bool:
    """Ends a chunk as `done` or `canceled`; returns whether it was still the caller's to end."""
    the = {"the_id": chunk.id, "the_fence": chunk.fence}
    return await FINISH.run(connection, {"state": state, "owner": None, "offered_at": None, **the}) == 1


async def keep(connection: AsyncConnection, chunk: ChunkRow, tries: Mapping[str, int]) -> bool:
    """Leaves a chunk with fewer items to whoever runs it; returns whether it was still the caller's."""
    the = {"the_id": chunk.id, "the_fence": chunk.fence}
    return await KEEP.run(connection, {"tries": dict(tries), "items_left": len(tries), **the}) == 1


async def give_back(
    connection: AsyncConnection, chunk: ChunkRow, tries: Mapping[str, int], not_before: datetime | None
) -> bool:
    """Makes a chunk pending again with the items that are left; returns whether it was still the caller's."""
    changes = _fenced(chunk).values(
        state="pending",
        owner=None,
        offered_at=None,
        starts=0,
        tries=dict(tries),
        items_left=len(tries),
        not_before=not_before,
    )
    return (await connection.execute(changes)).rowcount == 1


async def hand_back(connection: AsyncConnection, chunk: ChunkRow, not_before: datetime) -> None:
    """Makes a chunk that was begun in vain pending again, as it was."""
    changes = {"state": "pending", "owner": None, "offered_at": None, "starts": chunks.c.starts - 1}
    await connection.execute(_fenced(chunk).values(not_before=not_before, **changes))


async def reopen(connection: AsyncConnection, job_id: str, parts: Mapping[int, Mapping[str, int]]) -> None:
    """Makes chunks that have ended, known by their first items, pending again for some of their items."""
    ended = (chunks.c.job_id == job_id, chunks.c.first == bindparam("chunk_first"))
    changes = {"state": "pending", "not_before": None, "starts": 0}
    statement = (
        update(chunks)
        .where(*ended)
        .values(**changes, tries=bindparam("new_tries", type_=Json), items_left=bindparam("new_left"))
    )
    rows = [
        {"chunk_first": first, "new_tries": dict(tries), "new_left": len(tries)}
        for first, tries in parts.items()
    ]
    await connection.execute(statement, rows)


async def firsts(connection: AsyncConnection, job_id: str) -> Sequence[int]:
    """Lists the first items of a job's chunks, in order."""
    statement = select(chunks.c.first).where(chunks.c.job_id == job_id).order_by(chunks.c.first)
    return (await connection.execute(statement)).scalars().all()


def _fenced(chunk: ChunkRow) -> Update:
    """Only the last to start a chunk may end it, and only once."""
    mine = (chunks.c.id == chunk.id, chunks.c.fence == chunk.fence, chunks.c.state == "offered")
    return update(chunks).where(*mine)
