"""Statements that add usage up: rollups, and the ledger rows that are in none yet, in one statement.

One statement sees one moment, so that a row which is folded meanwhile counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    Integer,
    LargeBinary,
    Select,
    Subquery,
    Table,
    bindparam,
    case,
    func,
    literal,
    null,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.ext.asyncio import AsyncConnection

from db.filters import UsageFilter
from db.prepared import Prepared
from db.queries.usage import TOKENS, UNFOLDED, part_of
from db.tables.predictions import predictions
from db.tables.usage import NONE, daily_rollups, rollups, usage
from db.types import MILLISECOND, Time

DIMENSIONS = ("model_id", "model_version_id", "api_key_id", "job_id", "alias_id", "part")
COUNTED = ("predictions", "failed", "cached", *TOKENS, "cost_nanos", "unpriced")
SUMMED = ("project_id", "currency", *COUNTED)
DAY = timedelta(days=1)
DURATIONS = ("latency", "time_to_first_token", "total_ms", "time_to_first_token_ms")
TERMINAL = ("SUCCEEDED", "FAILED", "CANCELED")
STATEMENTS = 200
"""How many statements are kept: one for each kind of question, whatever its ids and times."""

Names = tuple[str, ...]
Tables = tuple[Table, ...]
Piece = tuple[Table, datetime, datetime]

Row = Any
"""`slot`, the dimensions grouped by (None for what was not), `currency`, and what is asked of them."""


async def sums(
    connection: AsyncConnection,
    project_id: str,
    wanted: UsageFilter,
    by: Sequence[str],
    unit: timedelta | None,
    limit: int,
) -> Sequence[Row]:
    """Adds up a project's usage, one row for each unit of time, group and currency; at most `limit`.

    `by` names some of `DIMENSIONS`. A row's `slot` counts units since 1970; without a unit it is 0.
    """
    pieces = _pieces(wanted, unit)
    statement = _sums(_tables(pieces), _lists(wanted), tuple(by), unit)
    return await statement.all(connection, **_parameters(project_id, wanted, pieces), most=limit)


async def sketches(
    connection: AsyncConnection,
    project_id: str,
    wanted: UsageFilter,
    by: Sequence[str],
    unit: timedelta | None,
) -> Sequence[Row]:
    """Reads the sketches of every rollup, and the durations of the ledger rows that are in none yet.

    A row has `latency` and `time_to_first_token`, or `total_ms` and `time_to_first_token_ms`.
    """
    pieces = _pieces(wanted, unit)
    statement = _sketches(_tables(pieces), _lists(wanted), tuple(by), unit)
    return await statement.all(connection, **_parameters(project_id, wanted, pieces))


async def by_source(connection: AsyncConnection) -> Sequence[Row]:
    """Adds up predictions, ledger, and both rollups with what is in none yet, by project and currency.

    A row has `source` (`predictions`, `ledger`, `hours` or `days`), `project_id`, `currency` and `COUNTED`.
    """
    ledger = _columns(usage, _ledger_columns(usage), SUMMED)
    terminal = predictions.c.status.in_(TERMINAL)
    ended = _columns(predictions, _ledger_columns(predictions), SUMMED).where(terminal)
    hours, days = (
        union_all(_columns(table, _rollup_columns(table), SUMMED), ledger.where(UNFOLDED))
        for table in (rollups, daily_rollups)
    )
    sources = {"predictions": ended, "ledger": ledger, "hours": hours, "days": days}
    statement = union_all(*(_per_project(name, rows.subquery()) for name, rows in sources.items()))
    return (await connection.execute(statement)).all()


def _per_project(source: str, rows: Subquery) -> Select[Any]:
    keys = (rows.c.project_id, rows.c.currency)
    summed = [func.sum(rows.c[name]).label(name) for name in COUNTED]
    return select(literal(source).label("source"), *keys, *summed).group_by(*keys)


@lru_cache(STATEMENTS)
def _sums(tables: Tables, lists: Names, by: Names, unit: timedelta | None) -> Prepared:
    both = _both(tables, lists, ("time", *by, "currency", *COUNTED))
    keys = [_slot(both, unit).label("slot"), *(both.c[name] for name in by), both.c.currency]
    summed = [func.sum(both.c[name]).label(name) for name in COUNTED]
    statement = select(*keys, *summed).group_by(*keys).order_by(*keys)
    return Prepared(statement.limit(bindparam("most", type_=Integer)), lists=lists)


@lru_cache(STATEMENTS)
def _sketches(tables: Tables, lists: Names, by: Names, unit: timedelta | None) -> Prepared:
    both = _both(tables, lists, ("time", *by, *DURATIONS))
    keys = [_slot(both, unit).label("slot"), *(both.c[name] for name in by)]
    return Prepared(select(*keys, *(both.c[name] for name in DURATIONS)), lists=lists)


def _both(tables: Tables, lists: Names, names: Names) -> Subquery:
    """Rollups, each from `since_N` to `until_N`, and what is in none, from `since` to `until`."""
    ledger = _columns(usage, _ledger_columns(usage), names)
    parts = [ledger.where(UNFOLDED, *_conditions(usage, usage.c.finished_at, lists))]
    for number, table in enumerate(tables):
        rolled = _columns(table, _rollup_columns(table), names)
        parts.append(rolled.where(*_conditions(table, table.c.hour, lists, f"_{number}")))
    return union_all(*parts).subquery("both")


def _conditions(
    table: Table, time: ColumnElement[Any], lists: Names, piece: str = ""
) -> list[ColumnElement[bool]]:
    since, until = bindparam(f"since{piece}", type_=Time), bindparam(f"until{piece}", type_=Time)
    among = [table.c[name].in_(bindparam(name, expanding=True)) for name in lists]
    return [table.c.project_id == bindparam("project_id"), time >= since, time < until, *among]


def _pieces(wanted: UsageFilter, unit: timedelta | None) -> list[Piece]:
    """Cuts a range up: whole days come from the rollups of days, unless hours are asked for."""
    since, until = wanted.since, wanted.until
    first, last = _midnight(since + DAY - MILLISECOND), _midnight(until)
    if first >= last or (unit is not None and unit < DAY):
        return [(rollups, since, until)]
    pieces = [(rollups, since, first), (daily_rollups, first, last), (rollups, last, until)]
    return [(table, start, end) for table, start, end in pieces if start < end]


def _midnight(time: datetime) -> datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)


def _tables(pieces: Sequence[Piece]) -> Tables:
    return tuple(table for table, _, _ in pieces)


def _lists(wanted: UsageFilter) -> Names:
    return tuple(name for name in DIMENSIONS if getattr(wanted, name) is not None)


def _parameters(project_id: str, wanted: UsageFilter, pieces: Sequence[Piece]) -> dict[str, Any]:
    parameters: dict[str, Any] = {name: list(getattr(wanted, name)) for name in _lists(wanted)}
    for number, (_, since, until) in enumerate(pieces):
        parameters |= {f"since_{number}": since, f"until_{number}": until}
    return parameters | {"project_id": project_id, "since": wanted.since, "until": wanted.until}


def slot_of(time: ColumnElement[Any], unit: timedelta) -> ColumnElement[int]:
    """Returns how many whole units of time a stored time is after 1970."""
    return type_coerce(time, BigInteger) // sql_cast(literal(unit // MILLISECOND), BigInteger)


def _slot(both: Subquery, unit: timedelta | None) -> ColumnElement[int]:
    return sql_cast(literal(0), BigInteger) if unit is None else slot_of(both.c.time, unit)


def _columns(table: Table, columns: dict[str, ColumnElement[Any]], names: Names) -> Select[Any]:
    return select(*(columns[name].label(name) for name in names)).select_from(table)


def _rollup_columns(table: Table) -> dict[str, ColumnElement[Any]]:
    columns: dict[str, ColumnElement[Any]] = {str(column.key): column for column in table.columns}
    nothing = sql_cast(null(), Float)
    return columns | {"time": table.c.hour, "total_ms": nothing, "time_to_first_token_ms": nothing}


def _ledger_columns(table: Table) -> dict[str, ColumnElement[Any]]:
    """The ledger's rows (or the predictions they are of) as if each were a rollup."""
    columns: dict[str, ColumnElement[Any]] = {str(column.key): column for column in table.columns}
    nothing = sql_cast(null(), LargeBinary)
    number = {name: func.coalesce(sql_cast(table.c[name], BigInteger), 0) for name in TOKENS}
    return columns | number | {
        "time": type_coerce(table.c.finished_at, Time),
        "api_key_id": func.coalesce(table.c.api_key_id, NONE),
        "job_id": func.coalesce(table.c.job_id, NONE),
        "alias_id": func.coalesce(table.c.alias_id, NONE),
        "part": table.c.part if table is usage else part_of(table),
        "currency": func.coalesce(table.c.currency, NONE),
        "predictions": sql_cast(literal(1), BigInteger),
        "failed": one_where(table.c.status == "FAILED"),
        "cached": one_where(table.c.cached.is_(True)),
        "cost_nanos": func.coalesce(table.c.cost_nanos, 0),
        "unpriced": one_where(table.c.cost_nanos.is_(None)),
        "latency": nothing,
        "time_to_first_token": nothing,
    }  # fmt: skip


def one_where(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """Returns 1 where a condition holds and else 0, to be added up."""
    return sql_cast(case((condition, 1), else_=0), BigInteger)
