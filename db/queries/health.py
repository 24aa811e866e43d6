"""Statements that ask the database how it is."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.types import now


async def write_something(connection: AsyncConnection) -> None:
    """Writes what is there already, to find out whether writing is possible; one row, of a table of one."""
    await connection.execute(text("UPDATE alembic_version SET version_num = version_num"))


async def its_time(connection: AsyncConnection) -> datetime:
    """Returns the time by the database's clock; a SQLite file has that of this machine."""
    if connection.dialect.name == "sqlite":
        return now()
    found: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
    return found
