"""Prepared reads: on the event loop where they are short, in a thread where they are not."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from sqlalchemy import bindparam, event, func, insert, select, text

from db import inline
from db.pages import Order, Page, Window, page_of, read_page, read_prepared_page
from db.prepared import Prepared
from db.prepared_writes import PreparedWrite
from db.session import Database
from db.tables.keys import projects
from db.types import new_id, now
from tests.statements import recorded

BY_ID = Prepared(select(projects).where(projects.c.id.in_(bindparam("ids", expanding=True))), lists=["ids"])
COUNT = Prepared(
    select(func.count().label("number")).select_from(projects.alias().join(projects.alias(), text("1")))
)


async def add(database: Database, count: int) -> list[str]:
    rows = [
        {"id": new_id(), "name": f"project {number}", "tier": "free", "created_at": now()}
        for number in range(count)
    ]
    async with database.write() as connection:
        await connection.execute(insert(projects), rows)
    return [str(row["id"]) for row in rows]


@contextmanager
def threads_used(database: Database) -> Iterator[list[str]]:
    """Lends a list of the statements that were run by connections of the pool."""
    used: list[str] = []
    pool = database.engines[-1].sync_engine

    def note(_: Any, __: Any, statement: str, *others: Any) -> None:
        used.append(statement)

    event.listen(pool, "before_cursor_execute", note)
    try:
        yield used
    finally:
        event.remove(pool, "before_cursor_execute", note)


async def test_a_row_is_what_sqlalchemy_would_have_returned(any_database: Database) -> None:
    ids = await add(any_database, 3)

    async with any_database.read() as connection:
        rows = await BY_ID.all(connection, ids=ids[:2])
        plain = (await connection.execute(BY_ID.statement, {"ids": ids[:2]})).all()

    assert [row._asdict() for row in rows] == [row._asdict() for row in plain]
    assert {row.id for row in rows} == set(ids[:2])


async def test_a_list_of_any_length_has_a_form_of_its_own(any_database: Database) -> None:
    ids = await add(any_database, 3)

    async with any_database.read() as connection:
        lengths = [len(await BY_ID.all(connection, ids=ids[:count])) for count in (3, 0, 1, 2, 3)]

    assert lengths == [3, 0, 1, 2, 3]


async def test_a_short_read_needs_no_thread(database: Database) -> None:
    ids = await add(database, 1)

    with threads_used(database) as used:
        async with database.read() as connection:
            row = await BY_ID.first(connection, ids=ids)

    assert row.id == ids[0]
    assert used == []


async def test_a_long_read_is_broken_off_and_run_in_a_thread(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(database, 300)
    monkeypatch.setattr(inline, "BUDGET_SECONDS", 0.0)

    with threads_used(database) as used:
        async with database.read() as connection:
            first = await COUNT.first(connection)
            again = await COUNT.first(connection)

    assert first.number == again.number == 300 * 300
    assert len(used) == 2


async def test_a_read_of_a_locked_file_waits_in_a_thread(database: Database) -> None:
    ids = await add(database, 1)
    path = database.url.database
    assert path is not None

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        await database.close()  # nobody else has it open, so it can be locked whole
        other.execute("BEGIN EXCLUSIVE")
        reading = asyncio.create_task(_first(database, ids))
        await asyncio.sleep(0.05)
        assert not reading.done()
        other.execute("COMMIT")

    assert (await reading).id == ids[0]


async def _first(database: Database, ids: list[str]) -> Any:
    async with database.read() as connection:
        return await BY_ID.first(connection, ids=ids)


async def test_a_prepared_write_is_a_part_of_its_transaction(
    any_database: Database,
) -> None:
    write = PreparedWrite(insert(projects), [str(column.key) for column in projects.columns])
    values: dict[str, Any] = {str(column.key): None for column in projects.columns}
    values |= {"id": new_id(), "name": "prepared", "tier": "free", "created_at": now()}

    async with any_database.write() as connection:
        assert await write.run(connection, values) == 1
        assert (await BY_ID.first(connection, ids=[values["id"]])).name == "prepared"
        await connection.exec_driver_sql("SAVEPOINT here")
        assert await write.run(connection, values | {"id": new_id(), "name": "undone"}) == 1
        await connection.exec_driver_sql("ROLLBACK TO here")
    async with any_database.read() as connection:
        names = (await connection.execute(select(projects.c.name))).scalars().all()
    assert names == ["prepared"]


async def test_every_statement_is_told_of_wherever_it_runs(any_database: Database) -> None:
    ids = await add(any_database, 1)

    with recorded(any_database) as statements:
        async with any_database.read() as connection:
            await BY_ID.first(connection, ids=ids)
            await connection.execute(select(projects.c.name))

    assert len(statements) == 2


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("backwards", [True, False])
@pytest.mark.parametrize("place", [None, 0, 2, 4])
async def test_prepared_pages_and_pages_of_all_rows_are_those_that_are_read(
    any_database: Database, descending: bool, backwards: bool, place: int | None
) -> None:
    ids = sorted(await add(any_database, 5))
    order = Order("CREATED_AT", (projects.c.id,), descending)
    window = Window(2, None if place is None else (ids[place],), backwards)
    statement = select(projects)

    async with any_database.read() as connection:
        read = await read_page(connection, statement, order, window)
        prepared = await read_prepared_page(connection, statement, order, window)
        everything = (await connection.execute(statement.order_by(projects.c.id))).all()
    ordered = everything[::-1] if descending else everything

    assert _shown(prepared) == _shown(read) == _shown(page_of(ordered, order, window))


def _shown(page: Page[Any]) -> tuple[list[str], bool, bool]:
    return [row.id for row in page.rows], page.has_previous, page.has_next
