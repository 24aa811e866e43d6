"""Fixtures that every folder's tests share. Fixtures of one folder stand in its own conftest.py."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import SQLModel

from db.migrate import upgrade
from db.session import Database
from tests.loopback import refuse_other_hosts
from tests.services import new_postgres_database, run

sys.addaudithook(refuse_other_hosts)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_developer() -> None:
    for name in [name for name in os.environ if name.startswith("FORETELL_") and "_TEST_" not in name]:
        del os.environ[name]


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables and no rows, to be copied: that is faster than to migrate each time."""
    file = tmp_path_factory.mktemp("migrated") / "foretell.db"
    run(_migrate(f"sqlite+aiosqlite:///{file}"))
    return file


@pytest.fixture
def sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    """The URL of a migrated SQLite file of the test's own."""
    return f"sqlite+aiosqlite:///{shutil.copy(migrated_file, tmp_path / 'foretell.db')}"


@pytest.fixture(scope="session")
def migrated_postgres_url() -> Iterator[str]:
    """The URL of a PostgreSQL database with all tables, shared by the run."""
    with new_postgres_database() as url:
        run(_migrate(url))
        yield url


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
        for table in reversed(SQLModel.metadata.sorted_tables):  # TRUNCATE would take 0.5 s
            await connection.execute(table.delete())
    await database.close()


@pytest.fixture(params=["database", pytest.param("postgres", marks=pytest.mark.postgres)])
def any_database(request: pytest.FixtureRequest) -> Any:
    """The test runs twice: on SQLite, and on PostgreSQL."""
    return request.getfixturevalue(request.param)


async def _migrate(url: str) -> None:
    database = Database(url)
    await upgrade(database)
    await database.close()
