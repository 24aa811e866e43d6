from functools import partial
from pathlib import Path
from sqlite3 import OperationalError
from sqlite3 import connect as connect_here
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from db.one_trip import OneTripConnection, connect


class Counted(OneTripConnection):
    """Counts the trips to its thread."""

    trips = 0

    async def _execute(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        self.trips += 1
        return await super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]


async def test_a_statement_takes_one_trip_whether_it_has_rows_or_not(tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    connection = Counted(partial(connect_here, path, check_same_thread=False), iter_chunk_size=64)
    await connection
    opened = connection.trips

    async with connection.cursor() as cursor:
        await cursor.execute("CREATE TABLE word (text)")
        await cursor.execute("INSERT INTO word VALUES (?), (?)", ("a", "b"))
        await cursor.execute("SELECT text FROM word")
        rows = await cursor.fetchall()

    assert [tuple(row) for row in rows] == [("a",), ("b",)]
    assert connection.trips - opened == 3
    await connection.close()


async def test_the_thread_of_a_connection_that_could_not_be_made_has_ended(tmp_path: Path) -> None:
    connection = connect(str(tmp_path / "no folder" / "a.db"), check_same_thread=False)

    with pytest.raises(OperationalError):
        await connection

    assert not connection._thread.is_alive()


async def test_sqlalchemy_reads_rows_counts_and_names_over_it(tmp_path: Path) -> None:
    options = {"async_creator_fn": connect}
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/a.db", connect_args=options)

    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE word (text)"))
        added = await connection.execute(text("INSERT INTO word VALUES ('a'), ('b') RETURNING text"))
        changed = await connection.execute(text("UPDATE word SET text = 'c'"))
        found = await connection.execute(text("SELECT text, 1 AS one FROM word"))

    assert added.scalars().all() == ["a", "b"]
    assert changed.rowcount == 2
    assert [row._asdict() for row in found] == [{"text": "c", "one": 1}] * 2
    await engine.dispose()
