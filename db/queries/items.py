"""Statements about the predictions that are items of jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, cast

import orjson
from sqlalchemy import String, select, update
from sqlalchemy import cast as sql_cast
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from db.prepared_writes import RunInThread, RunWritten
from db.queries.predictions import LISTED, UNLUCKY
from db.tables.predictions import PredictionRow, predictions

OWN_COLUMNS = ("id", "job_sequence", "item_index", "custom_id", "input", "output")
"""The columns that nearly always differ between the items of a chunk."""
ALIKE_COLUMNS = (
    "attempts",
    "finished_at",
    "asked_version_id",
    "model_version_id",
    "status",
    "usage_source",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "records",
    "cost_nanos",
    "currency",
    "inference_ms",
    "time_to_first_token_ms",
    "total_ms",
    "error",
    "explanation",
)
"""The columns in which many items of a chunk are alike, where they were answered together."""
MANY_ALIKE = 50
"""So many rows are told once what they have in common; fewer go with the others."""
JSON_COLUMNS = ("input", "output", "error", "explanation")
ROWS_AT_ONCE = 1000  # SQLite takes 32,766 parameters

RESULT = ("id", "item_index", "custom_id", "status", "attempts", "output", "error", "explanation")


Values = tuple[Any, ...]


async def add(
    connection: AsyncConnection,
    common: Mapping[str, Any],
    alike: Mapping[Values, Sequence[Values]],
    sequence: int,
) -> None:
    """Stores predictions of items, whose values are as the database keeps them.

    `common` are the columns that all of them share. `alike` has, for each combination of `ALIKE_COLUMNS`,
    the `OWN_COLUMNS` of its rows. `sequence` is added to the `job_sequence` of each.

    A job stores a million of these. One statement for many rows, which is told once what they share, takes
    SQLite half of the time that a statement a row does, and Python's lock is not given up and fought for
    between two rows.
    """
    statements: list[tuple[str, Values]] = []
    others: list[Values] = []
    for shared, rows in alike.items():
        if len(rows) < MANY_ALIKE:
            others += [(*row, *shared) for row in rows]
            continue
        told = {**common, **dict(zip(ALIKE_COLUMNS, shared, strict=True))}
        statements += _inserts(connection, told, OWN_COLUMNS, rows, sequence)
    statements += _inserts(connection, common, (*OWN_COLUMNS, *ALIKE_COLUMNS), others, sequence)
    run: RunInThread | None = getattr(connection, "run_in_thread", None)
    if run is not None:
        await run(statements)
        return
    write: RunWritten = connection.run_written  # type: ignore[attr-defined]
    for statement, values in statements:
        await write(statement, values)


def _inserts(
    connection: AsyncConnection,
    common: Mapping[str, Any],
    own: tuple[str, ...],
    rows: Sequence[Values],
    sequence: int,
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yields statements that store rows, whose values are those of the columns `own`, with their values."""
    names, shared = tuple(common), (sequence, *common.values())
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = rows[start : start + ROWS_AT_ONCE]
        if connection.dialect.name == "sqlite":
            yield _insert_lines(names, own, len(some)), (*shared, *chain.from_iterable(some))
        else:
            columns = map(_column_text, own, zip(*some, strict=True))
            yield _insert_columns(names, own, connection.dialect), (*shared, *columns)


async def replace_failed(connection: AsyncConnection, job_id: str, *, permanent_too: bool) -> Sequence[int]:
    """Marks a job's failed items as replaced by what is to come, and returns their indexes, in order."""
    failed = [predictions.c.job_id == job_id, UNLUCKY, predictions.c.status == "FAILED"]
    if not permanent_too:
        failed.append(sql_cast(predictions.c.error, String).contains('"retryable":true'))
    statement = update(predictions).where(*failed, ~predictions.c.is_replaced).values(is_replaced=True)
    found = await connection.execute(statement.returning(predictions.c.item_index))
    return sorted(found.scalars().all())


async def ended_after(
    connection: AsyncConnection, project_id: str, job_id: str, sequence: int, limit: int
) -> Sequence[PredictionRow]:
    """Reads the items of a job in the order in which they ended, after a number, without large columns."""
    mine = (predictions.c.job_id == job_id, predictions.c.project_id == project_id)
    statement = select(*LISTED).where(*mine, predictions.c.job_sequence > sequence)
    found = await connection.execute(statement.order_by(predictions.c.job_sequence).limit(limit))
    return cast(Sequence[PredictionRow], found.all())


async def results_from(connection: AsyncConnection, job_id: str, index: int, limit: int) -> Sequence[Any]:
    """Reads results of a job in the order of its source, from an index on; JSON columns as their text."""
    columns = [
        sql_cast(column, String).label(column.key) if column.key in JSON_RESULT else column
        for column in (predictions.c[name] for name in RESULT)
    ]
    mine = (predictions.c.job_id == job_id, ~predictions.c.is_replaced, predictions.c.item_index >= index)
    statement = select(*columns).where(*mine).order_by(predictions.c.item_index).limit(limit)
    return (await connection.execute(statement)).all()


JSON_RESULT = ("output", "error", "explanation")


def _insert(common: Sequence[str], own: Sequence[str], shared: Sequence[str], lines: str) -> str:
    columns = ", ".join([*common, *own])
    each = (f"{shared[0]} + line.{name}" if name == "job_sequence" else f"line.{name}" for name in own)
    return f"INSERT INTO prediction ({columns}) SELECT {', '.join([*shared[1:], *each])} FROM {lines}"  # noqa: S608 (no values)


@lru_cache(maxsize=64)
def _insert_lines(common: Sequence[str], own: Sequence[str], rows: int) -> str:
    """Returns SQLite's statement, whose parameters are the values of one row after the other."""
    shared = [f"?{number}" for number in range(1, len(common) + 2)]
    # A VALUES clause names its columns so.
    named = ", ".join(f"column{place} AS {name}" for place, name in enumerate(own, 1))
    row = f"({', '.join('?' * len(own))})"
    values = f"VALUES {', '.join([row] * rows)}"
    return _insert(common, own, shared, f"(SELECT {named} FROM ({values})) AS line")  # noqa: S608 (no values)


@lru_cache(maxsize=64)
def _insert_columns(common: Sequence[str], own: Sequence[str], dialect: Dialect) -> str:
    """Returns PostgreSQL's statement, whose parameters are a text for each column, of `_column_text`."""

    def kind(name: str) -> str:
        return predictions.c[name].type.compile(dialect).partition(" COLLATE ")[0]

    def array(number: int, name: str) -> str:
        if name in JSON_COLUMNS:
            return f"string_to_array(${number}::text, E'\\n', '')::{kind(name)}[]"
        return f"ARRAY(SELECT json_array_elements_text(${number}::json))::{kind(name)}[]"

    shared = [f"${number}::{kind(name)}" for number, name in enumerate(("job_sequence", *common), 1)]
    arrays = ", ".join(array(number, name) for number, name in enumerate(own, len(shared) + 1))
    return _insert(common, own, shared, f"unnest({arrays}) AS line({', '.join(own)})")


def _column_text(name: str, values: Sequence[Any]) -> str:
    """Returns a column as one text: asyncpg asks Python of each value of an array whether it is one itself.

    A line for each value of JSON, which has no line break within, and none is empty but for NULL. Others are
    an array of JSON: the server takes longer to read that, and they are short.
    """
    if name in JSON_COLUMNS:
        return "\n".join(["" if value is None else value for value in values])
    return orjson.dumps(values).decode()
