"""Statements about usage: the ledger and its rollups."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    FromClause,
    Select,
    Table,
    and_,
    bindparam,
    case,
    false,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    text,
    true,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.ext.asyncio import AsyncConnection

from db.prepared import Prepared
from db.prepared_writes import PreparedWrite
from db.tables.models import model_versions, models
from db.tables.predictions import predictions
from db.tables.usage import NONE, RollupRow, UsageRow, daily_rollups, rollups, usage
from db.types import Time

FOLD_LOCK = 0x666F6C64
ROLLUP_LOCK = 0x726F6C6C
HOUR_MS = 3_600_000
KEY = ("project_id", "hour", "model_version_id", "api_key_id", "job_id", "alias_id", "part", "currency")
TOKENS = ("input_tokens", "cached_input_tokens", "output_tokens", "records")
KEYS_AT_ONCE = 200  # SQLite takes an OR of at most 1,000 conditions

# Spelled as in the partial indexes: SQLAlchemy writes `folded = 0` for SQLite, which does not find them then.
UNFOLDED = text("NOT folded")

ANY_UNFOLDED = Prepared(select(usage.c.prediction_id).where(UNFOLDED).limit(literal_column("1")))
MAY_FOLD_ITEMS = Prepared(
    select(func.pg_try_advisory_xact_lock_shared(literal_column(str(ROLLUP_LOCK))).label("taken"))
)

ADD = PreparedWrite(insert(usage), [str(column.key) for column in usage.columns])

SUMS = tuple(str(column.key) for column in rollups.columns if column.key not in KEY)
AT = {
    table: Prepared(select(table).where(*(table.c[name] == bindparam(name) for name in KEY)))
    for table in (rollups, daily_rollups)
}
CHANGE = {
    table: PreparedWrite(
        update(table).where(*(table.c[name] == bindparam(f"at_{name}") for name in KEY)), SUMS
    )
    for table in (rollups, daily_rollups)
}
FEW_KEYS = 4
"""So many rollups are read one by one: each is a row of the primary key, by a statement that is prepared."""


async def add(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Stores what terminal predictions used, in the transaction that makes them terminal."""
    for row in rows:
        await ADD.run(connection, row)


async def add_items(connection: AsyncConnection, job_id: str, after: int, *, folded: bool) -> None:
    """Stores what a job's items used that are stored in this transaction, numbered higher than `after`.

    `folded` says that the same transaction adds them to their rollups.
    """
    await _add_items(folded).run_long(connection, {"of_job": job_id, "after": after})


@cache
def _add_items(folded: bool) -> PreparedWrite:
    columns = [column for column in usage.columns if column.key not in ("prediction_id", "folded")]
    ended = (predictions.c.job_id == bindparam("of_job"), predictions.c.job_sequence > bindparam("after"))
    marked = true() if folded else false()
    values = [predictions.c.id, *(_of_prediction(column) for column in columns), marked]
    names = ["prediction_id", *(str(column.key) for column in columns), "folded"]
    return PreparedWrite(insert(usage).from_select(names, select(*values).where(*ended)), names)


def part_of(prediction: Table) -> ColumnElement[str]:
    """Returns what a prediction was to its alias: ARM, FALLBACK, SHADOW, or NONE without an alias."""
    columns = prediction.c
    return case(
        (columns.alias_id.is_(None), NONE),
        (columns.shadow_of.is_not(None), "SHADOW"),
        (columns.asked_version_id.is_not(None), "FALLBACK"),
        else_="ARM",
    )


def _of_prediction(column: Column[Any]) -> ColumnElement[Any]:
    if column.key == "part":
        return part_of(predictions)
    found = predictions.c[str(column.key)]
    return func.coalesce(found, 0) if column.key in TOKENS else found


async def may_fold(connection: AsyncConnection) -> bool:
    """Makes the folding of this transaction the only one; False where another process folds now.

    SQLite has one writer at a time anyway.
    """
    if connection.dialect.name != "postgresql":
        return True
    taken = await connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": FOLD_LOCK})
    if not taken.scalar_one():
        return False
    await lock_rollups(connection)
    return True


async def may_fold_items(connection: AsyncConnection) -> bool:
    """Keeps rollups from being changed by others than jobs, unless one changes or wants to change them now.

    Those of a job have rollups of their own, and whoever adds to them has locked the job.
    """
    if connection.dialect.name != "postgresql":
        return True
    return bool((await MAY_FOLD_ITEMS.first(connection)).taken)


async def lock_rollups(connection: AsyncConnection) -> None:
    """Waits until no job adds to its rollups, and keeps all from it until this transaction ends."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ROLLUP_LOCK})


async def lock_folding(connection: AsyncConnection) -> None:
    """Waits until nobody folds, and keeps others from it until this transaction ends."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": FOLD_LOCK})
    await lock_rollups(connection)


async def has_unfolded(connection: AsyncConnection) -> bool:
    """Tells whether there are ledger rows that no rollup has yet."""
    return await ANY_UNFOLDED.first(connection) is not None


async def take_unfolded(connection: AsyncConnection, limit: int) -> Sequence[Any]:
    """Marks the oldest rows that no rollup has yet as being in one, and returns their sums.

    There is a sum for each `KEY` and duration: items that a job ran together have one in common.
    """
    oldest = select(usage.c.prediction_id).where(UNFOLDED).order_by(usage.c.prediction_id).limit(limit)
    if connection.dialect.name == "postgresql":
        marking = update(usage).where(usage.c.prediction_id.in_(oldest)).values(folded=True)
        return list(await connection.execute(_sums(marking.returning(*usage.c).cte("marked"))))
    newest = select(func.max(oldest.subquery().c.prediction_id)).scalar_subquery()
    last = (await connection.execute(select(newest))).scalar()
    if last is None:
        return []
    taken = (UNFOLDED, usage.c.prediction_id <= last)  # nobody else writes before this transaction ends
    sums = list(await connection.execute(_sums(usage).where(*taken)))
    await connection.execute(update(usage).where(*taken).values(folded=True))
    return sums


def _sums(rows: FromClause) -> Select[Any]:
    column = rows.c
    finished = type_coerce(column.finished_at, BigInteger)
    key = (
        column.project_id,
        type_coerce(finished - finished % HOUR_MS, Time).label("hour"),
        column.model_version_id,
        func.coalesce(column.api_key_id, NONE).label("api_key_id"),
        func.coalesce(column.job_id, NONE).label("job_id"),
        func.coalesce(column.alias_id, NONE).label("alias_id"),
        column.part,
        func.coalesce(column.currency, NONE).label("currency"),
        column.total_ms,
        column.time_to_first_token_ms,
    )
    counted = {
        "predictions": func.count(),
        "failed": func.sum(case((column.status == "FAILED", 1), else_=0)),
        "cached": func.sum(case((column.cached, 1), else_=0)),
        "unpriced": func.sum(case((column.cost_nanos.is_(None), 1), else_=0)),
        "cost_nanos": func.coalesce(func.sum(column.cost_nanos), 0),
        **{name: func.sum(column[name]) for name in TOKENS},
    }
    sums = [sql_cast(value, BigInteger).label(name) for name, value in counted.items()]
    return select(*key, func.min(column.model_id).label("model_id"), *sums).group_by(*key)


async def rollups_at(
    connection: AsyncConnection, table: Table, keys: Sequence[tuple[Any, ...]]
) -> Sequence[RollupRow]:
    """Reads the rollups of these keys, each in the order of `KEY`, from the table of hours or of days."""
    found: list[Any] = []
    if len(keys) <= FEW_KEYS:
        for key in keys:
            found += await AT[table].all(connection, **dict(zip(KEY, key, strict=True)))
        return found
    for start in range(0, len(keys), KEYS_AT_ONCE):
        wanted = or_(
            *(
                and_(*(table.c[name] == value for name, value in zip(KEY, key, strict=True)))
                for key in keys[start : start + KEYS_AT_ONCE]
            )
        )
        found.extend((await connection.execute(select(table).where(wanted))).all())
    return found


async def put_rollups(
    connection: AsyncConnection,
    table: Table,
    new: Sequence[dict[str, Any]],
    changed: Sequence[dict[str, Any]],
) -> None:
    """Stores rollups; only while `may_fold` holds, so that nobody else changes them meanwhile."""
    if new:
        await connection.execute(insert(table), list(new))
    for row in changed:
        at = {f"at_{name}": row[name] for name in KEY}
        await CHANGE[table].run(connection, {**{name: row[name] for name in SUMS}, **at})


async def export_page(
    connection: AsyncConnection,
    project_id: str,
    since: datetime,
    until: datetime,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Sequence[UsageRow]:
    """Reads a project's ledger by the time that predictions ended, with the names of model and version."""
    place = (usage.c.finished_at, usage.c.prediction_id)
    joined = usage.join(models, models.c.id == usage.c.model_id).join(
        model_versions, model_versions.c.id == usage.c.model_version_id
    )
    columns = (usage, models.c.name.label("model"), model_versions.c.version)
    wanted = (usage.c.project_id == project_id, place[0] >= since, place[0] < until)
    statement = select(*columns).select_from(joined).where(*wanted)
    if after is not None:
        statement = statement.where(tuple_(*place) > tuple_(literal(after[0], Time), literal(after[1])))
    found = await connection.execute(statement.order_by(*place).limit(limit))
    return cast(Sequence[UsageRow], found.all())
