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
LOCK_SECONDS = 5


async def upgrade(database: Database, revision: str = "head") -> None:
    """Runs the migrations a database has not seen, in one transaction that only one process runs at a time.

    A database that a later version has migrated is left as it is: what a later version adds, this one does
    not see, and later versions take nothing away that this one needs (docs/operations.md).

    Raises:
        DatabaseUnavailableError: the database does not answer, or stays locked.
    """
    with translated():
        async with database.patient() as connection:
            await connection.run_sync(_locked_upgrade, revision)


async def current_revision(database: Database) -> str | None:
    """Returns the newest migration a database has seen; None before the first."""
    async with database.read() as connection:
        return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


def is_behind(revision: str | None) -> bool:
    """Tells whether a database lacks what this version needs; one that a later version migrated does not."""
    return revision is None or (revision in _known_revisions() and revision != newest_revision())


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
    if not sqlite:
        # Whoever waits for a table makes all others wait behind: rather fail, and be tried again.
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
    if not is_behind(MigrationContext.configure(connection).get_current_revision()):
        connection.exec_driver_sql("ROLLBACK") if sqlite else connection.rollback()
        return
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


def _known_revisions() -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
