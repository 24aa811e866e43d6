"""The database of the settings, opened for one command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from db.migrate import current_revision, is_behind, newest_revision
from db.queries import keys as queries
from db.session import Database
from db.tables import ProjectRow
from engine.bus.base import Bus
from foretell.cli.failures import CommandError
from foretell.configuration import load_settings
from foretell.opening import open_bus, open_database


@asynccontextmanager
async def any_database() -> AsyncIterator[Database]:
    """Opens the database, whatever its tables look like."""
    database = open_database(load_settings())
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def migrated_database() -> AsyncIterator[Database]:
    """Opens the database for work with its rows.

    Raises:
        CommandError: its tables are not those of this version.
    """
    async with any_database() as database:
        revision = await current_revision(database)
        if is_behind(revision):
            at = revision or "no migration yet"
            raise CommandError(
                f"The database is at {at}, not at {newest_revision()}: run `foretell migrate` first."
            )
        yield database


@asynccontextmanager
async def told_bus() -> AsyncIterator[Bus]:
    """Opens the bus of the settings: what a command says on it, servers that share a Redis hear at once."""
    bus = open_bus(load_settings())
    await bus.open()
    try:
        yield bus
    finally:
        await bus.close()


async def project_named(database: Database, name: str) -> ProjectRow:
    """Finds a project.

    Raises:
        CommandError: there is none of that name.
    """
    async with database.read() as connection:
        row = await queries.project_by_name(connection, name)
    if row is None:
        raise CommandError(
            f"There is no project {name!r}: `foretell projects list` shows those there are, "
            "`foretell projects create` makes one."
        )
    return row
