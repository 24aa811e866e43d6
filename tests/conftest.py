"""Fixtures that every folder's tests share. Fixtures of one folder stand in its own conftest.py."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text

from db.migrate import upgrade
from db.session import Database
from tests.loopback import refuse_other_hosts
from tests.running import run

POSTGRES_URL = os.environ.get("FORETELL_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres")

sys.addaudithook(refuse_other_hosts)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_developer() -> None:
    for name in [name for name in os.environ if name.startswith("FORETELL_") and "_TEST_" not in name]:
        del os.environ[name]


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables and no rows, to be copied: that is faster than to migrate each time."""
    file = tmp_path_factory.mktemp("migrated") / "foretell.db"

    async def migrate() -> None:
        database = Database(f"sqlite+aiosqlite:///{file}")
        await upgrade(database)
        await database.close()

    run(migrate())
    return file


@pytest.fixture
def sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    """The URL of a migrated SQLite file of the test's own."""
    return f"sqlite+aiosqlite:///{shutil.copy(migrated_file, tmp_path / 'foretell.db')}"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of an empty PostgreSQL database of this run's own."""
    name = f"foretell_test_{uuid4().hex[:12]}"
    _on_the_server(f'CREATE DATABASE "{name}"')
    yield POSTGRES_URL.rpartition("/")[0].replace("postgresql://", "postgresql+asyncpg://") + f"/{name}"
    _on_the_server(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def migrated_postgres_url(postgres_url: str) -> str:
    """The URL of a PostgreSQL database with all tables, shared by the run."""

    async def migrate() -> None:
        database = Database(postgres_url)
        await upgrade(database)
        await database.close()

    run(migrate())
    return postgres_url


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    """A migrated SQLite database without rows."""
    database = Database(sqlite_url, synchronous="NORMAL")
    yield database
    await database.close()


@pytest.fixture
async def postgres(migrated_postgres_url: str) -> AsyncIterator[Database]:
    """A migrated PostgreSQL database without rows."""
    database = Database(migrated_postgres_url)
    yield database
    async with database.write() as connection:
        tables = await connection.scalar(
            text(
                "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables"
                " WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
            )
        )
        await connection.execute(text(f"TRUNCATE {tables}"))
    await database.close()


@pytest.fixture(params=["database", pytest.param("postgres", marks=pytest.mark.postgres)])
def any_database(request: pytest.FixtureRequest) -> Any:
    """The test runs twice: on SQLite, and on PostgreSQL."""
    return request.getfixturevalue(request.param)


def _on_the_server(statement: str) -> None:
    async def execute() -> None:
        connection = await asyncpg.connect(POSTGRES_URL, timeout=10)
        await connection.execute(statement)
        await connection.close()

    try:
        run(execute())
    except OSError as error:
        missing(f"no PostgreSQL server answers at FORETELL_TEST_POSTGRES_URL: {error}")


def missing(what: str) -> None:
    """Skips a test whose service is not there, by name; in CI, where it has to be, fails it."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)
