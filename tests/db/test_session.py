import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from db import postgresql
from db.errors import DatabaseError, DatabaseUnavailableError, UniqueViolationError
from db.queries import keys as queries
from db.session import Database
from db.tables import ApiKeyRow, ProjectRow


async def names(database: Database) -> list[str]:
    async with database.read() as connection:
        return [row.name for row in await queries.all_projects(connection)]


async def add(database: Database, name: str) -> None:
    async with database.write() as connection:
        await queries.add_project(connection, ProjectRow(name=name))


async def add_and_raise(database: Database, name: str) -> None:
    async with database.write() as connection:
        await queries.add_project(connection, ProjectRow(name=name))
        raise LookupError


async def test_what_a_write_stored_every_later_read_sees(any_database: Database) -> None:
    await add(any_database, "b")
    await add(any_database, "a")

    assert await names(any_database) == ["a", "b"]


async def test_a_write_that_raises_stores_nothing_of_its_block(any_database: Database) -> None:
    with pytest.raises(LookupError):
        await add_and_raise(any_database, "gone")

    await add(any_database, "next")
    assert await names(any_database) == ["next"]


async def test_a_reader_sees_no_row_before_it_is_committed(any_database: Database) -> None:
    async with any_database.write() as connection:
        await queries.add_project(connection, ProjectRow(name="new"))
        during = await names(any_database)

    assert during == []
    assert await names(any_database) == ["new"]


async def test_each_statement_of_a_long_read_sees_the_newest_rows(any_database: Database) -> None:
    async with any_database.read() as connection:
        before = await queries.all_projects(connection)
        await add(any_database, "new")
        after = await queries.all_projects(connection)

    assert [len(before), len(after)] == [0, 1]


async def test_a_value_that_must_be_unique_is_told_apart_from_other_errors(any_database: Database) -> None:
    await add(any_database, "one")

    with pytest.raises(UniqueViolationError):
        await add(any_database, "one")

    assert await names(any_database) == ["one"]


async def test_foreign_keys_hold(any_database: Database) -> None:
    row = ApiKeyRow(project_id="0" * 32, name="n", prefix="p", secret_hash=b"", scopes=[])

    with pytest.raises(IntegrityError):
        async with any_database.write() as connection:
            await queries.add_key(connection, row)


async def test_a_reading_connection_of_sqlite_can_not_write(database: Database) -> None:
    with pytest.raises(DatabaseError, match="readonly"):
        async with database.read() as connection:
            await queries.add_project(connection, ProjectRow(name="sneaked in"))


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 5000)],
)
async def test_sqlite_writes_safely(sqlite_url: str, pragma: str, value: object) -> None:
    database = Database(sqlite_url)

    async with database.write() as connection:
        found = await connection.scalar(text(f"PRAGMA {pragma}"))

    assert found == value
    await database.close()


async def test_rows_outlive_the_process_that_wrote_them(sqlite_url: str) -> None:
    first = Database(sqlite_url)
    await add(first, "kept")
    await first.close()
    second = Database(sqlite_url)

    assert await names(second) == ["kept"]

    await second.close()


async def test_a_database_that_another_process_holds_is_unavailable_and_then_not(sqlite_url: str) -> None:
    database = Database(sqlite_url, busy_timeout_ms=50)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite+aiosqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(DatabaseUnavailableError, match="locked"):
        await add(database, "refused")
    other.execute("ROLLBACK")
    await add(database, "stored")

    assert await names(database) == ["stored"]
    other.close()
    await database.close()


async def test_a_file_that_can_not_be_opened_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database, " * 100)

    for path in (tmp_path / "no" / "folder.db", tmp_path / "text.db"):
        database = Database(f"sqlite+aiosqlite:///{path}")
        with pytest.raises(DatabaseUnavailableError):
            await names(database)
        await database.close()


@pytest.mark.parametrize("place", ["127.0.0.1:1/foretell", "127.0.0.1:5432/there_is_no_such_database"])
async def test_a_server_or_database_that_is_not_there_is_unavailable(place: str) -> None:
    database = Database(f"postgresql+asyncpg://postgres@{place}")

    with pytest.raises(DatabaseUnavailableError):
        await names(database)

    await database.close()


@pytest.mark.postgres
async def test_a_cut_connection_fails_one_transaction_and_the_pool_heals(postgres: Database) -> None:
    with pytest.raises(DatabaseUnavailableError):
        await add_while_cut(postgres, "cut")
    await add(postgres, "healed")

    assert await names(postgres) == ["healed"]


@pytest.mark.postgres
async def test_a_connection_that_the_server_closed_is_replaced_before_it_is_used(postgres: Database) -> None:
    await add(postgres, "before")
    await cut_connections(postgres)
    await add(postgres, "after")

    assert await names(postgres) == ["after", "before"]


@pytest.mark.postgres
async def test_a_connection_is_asked_whether_it_is_there_only_after_it_was_idle(
    postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    async with postgres.write() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        driver.add_query_logger(lambda record: asked.append(record.query))

    monkeypatch.setattr(postgresql, "IDLE_SECONDS", 60.0)
    await add(postgres, "at once")
    at_once = asked.count(";")
    monkeypatch.setattr(postgresql, "IDLE_SECONDS", 0.0)
    await add(postgres, "after a while")

    assert (at_once, asked.count(";")) == (0, 1)


async def add_while_cut(database: Database, name: str) -> None:
    async with database.write() as connection:
        await queries.add_project(connection, ProjectRow(name=name))
        await cut_connections(database)
        await connection.execute(text("SELECT 1"))


async def cut_connections(database: Database) -> None:
    other = Database(database.url.render_as_string(hide_password=False))
    async with other.read() as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    await other.close()


async def test_concurrent_writers_all_succeed(any_database: Database) -> None:
    await asyncio.gather(*(add(any_database, f"{number:03}") for number in range(100)))

    assert len(await names(any_database)) == 100
