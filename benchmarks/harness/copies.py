"""Many predictions from a few: copied inside SQLite, each batch later in time than the one before.

A row that is made in Python and sent to the file costs many times as much as one that is copied, and indexed
with all the others in the end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from sqlalchemy import Table, false, func, insert, select, text

from db.queries.usage import TOKENS, part_of
from db.session import Database
from db.tables.predictions import predictions
from db.tables.usage import usage

TIMES = frozenset({"created_at", "started_at", "finished_at"})


async def copy_predictions(database: Database, copies: int, apart: timedelta) -> None:
    """Copies all predictions that many times, each time so much later, with ids of those times."""
    names = [column.name for column in predictions.columns]
    shown = ", ".join(_copied(name) for name in names)
    rows = f"SELECT {shown} FROM prediction WHERE id <= :last"
    async with database.read() as connection:
        last = (await connection.execute(select(func.max(predictions.c.id)))).scalar_one()
    async with _indexed_later(database, predictions):
        for number in range(1, copies + 1):
            later = {"later": number * round(apart.total_seconds() * 1000), "last": last}
            async with database.write() as connection:
                await connection.execute(text(f"INSERT INTO prediction ({', '.join(names)}) {rows}"), later)


async def write_ledger(database: Database) -> None:
    """Writes the ledger's row of every prediction; none is in a rollup yet."""
    values = {column.name: predictions.c.get(column.name) for column in usage.columns}
    values |= {name: func.coalesce(predictions.c[name], 0) for name in TOKENS}
    values |= {"prediction_id": predictions.c.id, "part": part_of(predictions), "folded": false()}
    rows = insert(usage).from_select(list(values), select(*values.values()))
    async with _indexed_later(database, usage), database.write() as connection:
        await connection.execute(rows)


@asynccontextmanager
async def _indexed_later(database: Database, table: Table) -> AsyncIterator[None]:
    found = text(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql <> '' AND tbl_name = :name"
    )
    async with database.write() as connection:
        indexes = (await connection.execute(found, {"name": table.name})).all()
        for index in indexes:
            await connection.execute(text(f"DROP INDEX {index.name}"))
    yield
    for index in indexes:
        async with database.write() as connection:
            await connection.execute(text(index.sql))


def _copied(name: str) -> str:
    if name == "id":  # a UUIDv7 begins with its milliseconds
        return "printf('%012x', created_at + :later) || substr(id, 13)"
    return f"{name} + :later" if name in TIMES else name
