"""Brings a database to the tables this version of Foretell needs."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from db.drivers import translated
from db.session import Database

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 0x666F7265  # any number that only Foretell's migrations use


async def upgrade(database: Database, revision: str = "head") -> None:
    """Runs the migrations a database has not seen, in one transaction that only one process runs at a time.

    Raises:
        DatabaseUnavailableError: the database does not answer, or stays locked.
    """
    with translated():
        async with database.engines[0].connect() as connection:
            await connection.run_sync(_locked_upgrade, revision)


async def current_revision(database: Database) -> str | None:
    """Returns the newest migration a database has seen; None before the first."""
    async with database.read() as connection:
        return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


def newest_revision() -> str:
    """Returns the newest migration of this version of Foretell."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def _locked_upgrade(connection: Connection, revision: str) -> None:
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except BaseException:
        connection.exec_driver_sql("ROLLBACK") if sqlite else connection.rollback()
        raise
    connection.exec_driver_sql("COMMIT") if sqlite else connection.commit()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
