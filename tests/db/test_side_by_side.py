"""Old and new versions work with one database at once: what a migration may do, and who lets it be."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

import db.migrate
from db.errors import DatabaseUnavailableError
from db.migrate import MIGRATIONS, current_revision, is_behind, newest_revision, upgrade
from db.session import Database
from tests.services import new_postgres_database

RELEASED = "0014_users"
"""The last migration before anybody had two versions side by side; those after it only add."""

Column = tuple[str, str]


def revisions() -> list[str]:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    every = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]
    return every[every.index(RELEASED) :]


def columns(connection: Connection) -> dict[Column, dict[str, Any]]:
    found = inspect(connection)
    return {
        (table, column["name"]): dict(column)
        for table in found.get_table_names()
        for column in found.get_columns(table)
    }


async def columns_at(database: Database, revision: str) -> dict[Column, dict[str, Any]]:
    await upgrade(database, revision)
    async with database.read() as connection:
        return await connection.run_sync(columns)


@pytest.mark.parametrize(("before", "after"), list(pairwise(revisions())))
async def test_a_migration_takes_nothing_away_and_asks_old_versions_for_nothing_new(
    before: str, after: str, tmp_path: Path
) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/foretell.db")
    old = await columns_at(database, before)
    new = await columns_at(database, after)
    await database.close()

    tables = {table for table, _ in old}
    added = {place: column for place, column in new.items() if place not in old and place[0] in tables}
    assert old.keys() - new.keys() == set(), "drop it one release after nobody reads it any more"
    assert [
        place for place, column in added.items() if not column["nullable"] and column["default"] is None
    ] == [], "an old version does not fill it"
    assert [
        place for place, column in old.items() if column["nullable"] and not new[place]["nullable"]
    ] == [], "an old version leaves it empty"


async def test_a_version_leaves_the_database_of_a_later_one_as_it_is(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999_later'"))

    await upgrade(database)

    assert await current_revision(database) == "9999_later"
    assert not is_behind("9999_later")
    assert is_behind(None)
    assert is_behind("0001_first")
    assert not is_behind(newest_revision())


@pytest.mark.postgres
async def test_a_migration_waits_for_nobody_who_keeps_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db.migrate, "LOCK_SECONDS", 0.2)
    with new_postgres_database() as url:
        database = Database(url)
        await upgrade(database, "0012_aliases")
        async with database.write() as reader:
            await reader.execute(text("SELECT count(*) FROM job"))
            with pytest.raises(DatabaseUnavailableError, match="lock timeout"):
                await upgrade(database, "0013_traces")
        before = await current_revision(database)
        await upgrade(database, "0013_traces")
        after = await current_revision(database)
        await database.close()

    assert (before, after) == ("0012_aliases", "0013_traces")
