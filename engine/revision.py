"""Revision: how every process learns that the registry is another.

The database counts the changes; the bus only says that it is time to look, and may be lost.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection

from db.queries import registry as queries
from db.session import Database
from engine.bus.base import Bus

TOPIC = "registry"


@asynccontextmanager
async def changing_registry(database: Database, bus: Bus) -> AsyncIterator[AsyncConnection]:
    """Opens a transaction that changes models, versions, prices or aliases, and then tells all processes.

    Such transactions take turns, so what one reads stays true until its end. Raises what `Database.write`
    raises.
    """
    async with database.write() as connection:
        await queries.raise_revision(connection)
        yield connection
    tell_of_change(bus)


def tell_of_change(bus: Bus) -> None:
    """Tells every process, this one too, that it is time to look at the registry."""
    bus.announce(TOPIC, None)
