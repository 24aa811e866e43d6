import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlmodel import SQLModel

from db.migrate import MIGRATIONS, current_revision, newest_revision, upgrade
from db.queries import keys as queries
from db.session import Database
from db.tables import ProjectRow
from tests.services import new_postgres_database

ROOT = Path(__file__).parents[2]
UPGRADE = """
import asyncio, sys
from db.migrate import upgrade
from db.session import Database

asyncio.run(upgrade(Database(sys.argv[1])))
"""


def revisions() -> list[str]:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"


@pytest.fixture
def empty_postgres_url() -> Iterator[str]:
    with new_postgres_database() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def empty(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """A database that nobody migrated yet."""
    database = Database(request.getfixturevalue(f"empty_{request.param}_url"))
    yield database
    await database.close()


async def tables(database: Database) -> set[str]:
    async with database.read() as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))


def differences(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection), SQLModel.metadata))


async def test_a_fresh_database_gets_every_table(empty: Database) -> None:
    before = await current_revision(empty)

    await upgrade(empty)

    assert before is None
    assert await current_revision(empty) == newest_revision()
    assert await tables(empty) == {*SQLModel.metadata.tables, "alembic_version"}


async def test_the_migrations_lead_to_the_tables_of_the_code(any_database: Database) -> None:
    async with any_database.read() as connection:
        found = await connection.run_sync(differences)

    assert found == []


@pytest.mark.parametrize("revision", revisions()[:-1])
async def test_an_older_database_is_upgraded_and_keeps_its_rows(empty: Database, revision: str) -> None:
    await upgrade(empty, revision)
    row = {"id": "0" * 32, "name": "kept", "tier": "free", "created_at": 1}
    async with empty.write() as connection:
        insert = "INSERT INTO project (id, name, tier, created_at) VALUES (:id, :name, :tier, :created_at)"
        await connection.execute(text(insert), row)

    await upgrade(empty)

    assert await current_revision(empty) == newest_revision()
    async with empty.read() as connection:
        assert [project.name for project in await queries.all_projects(connection)] == ["kept"]
        assert await connection.run_sync(differences) == []


async def test_an_upgraded_database_is_left_as_it_is(empty: Database) -> None:
    await upgrade(empty)
    async with empty.write() as connection:
        await queries.add_project(connection, ProjectRow(name="kept"))

    await upgrade(empty)

    async with empty.read() as connection:
        assert [project.name for project in await queries.all_projects(connection)] == ["kept"]


async def test_a_migration_that_fails_leaves_nothing_half_done(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await tables(empty)

    with pytest.raises(LookupError):
        await upgrade_and_fail(empty, monkeypatch)

    assert await tables(empty) == before
    await upgrade(empty)
    assert await current_revision(empty) == newest_revision()


async def upgrade_and_fail(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where Alembic notes the first migration: the tables are made by then."""

    def fail(*_: Any) -> None:
        raise LookupError

    with monkeypatch.context() as patched:
        patched.setattr("alembic.runtime.migration.HeadMaintainer.update_to_step", fail)
        await upgrade(database)


@pytest.mark.parametrize(
    "url", ["empty_sqlite_url", pytest.param("empty_postgres_url", marks=pytest.mark.postgres)]
)
async def test_processes_that_start_at_once_migrate_once(request: pytest.FixtureRequest, url: str) -> None:
    database_url = request.getfixturevalue(url)

    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", UPGRADE, database_url, cwd=ROOT)
        for _ in range(2)
    ]
    codes = [await process.wait() for process in processes]

    assert codes == [0, 0]
    database = Database(database_url)
    assert await current_revision(database) == newest_revision()
    await database.close()
