"""PostgreSQL: the pool of connections to a server, those of them that are gone, and transactions.

To look at a connection before each use is a trip to the server, of which a short transaction has three.
A connection that the server closed is known without any: the event loop was told. Only one that the network
lost is not, and it has been idle.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, cast

from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from db.asyncpg_connection import AsyncpgConnection, Watchers
from db.commits import Commits

CONNECT_SECONDS = 5.0
STATEMENT_SECONDS = 60.0
"""How long a PostgreSQL that hangs is waited for; migrations wait as long as it takes."""
IDLE_SECONDS = 1.0
"""A connection that nobody used for so long is asked whether it is there."""
USED_AT = "used_at"


def postgresql_engine(url: str, pool_size: int) -> AsyncEngine:
    """Returns an engine whose pool replaces connections that are gone before anybody gets them."""
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        hide_parameters=True,
        isolation_level="AUTOCOMMIT",  # BEGIN is AsyncpgConnection's; a single statement needs none
        connect_args={"timeout": CONNECT_SECONDS, "command_timeout": STATEMENT_SECONDS},
    )
    dialect = engine.dialect

    @event.listens_for(engine.sync_engine, "checkin")
    def note(_: Any, record: Any) -> None:
        record.info[USED_AT] = monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def look(connection: Any, record: Any, _: Any) -> None:
        if connection.driver_connection.is_closed():
            raise DisconnectionError
        if monotonic() - record.info.get(USED_AT, monotonic()) < IDLE_SECONDS:
            return
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:  # all of the pool are older than this server, or network
            raise InvalidatePoolError from error

    return engine


class PostgresqlTransactions:
    """One transaction, one connection of the pool: the server groups the commits itself."""

    is_awaited = False

    def __init__(self, engine: AsyncEngine, commits: Commits, watchers: Watchers) -> None:
        self._engine = engine
        self._commits = commits
        self._watchers = watchers

    @asynccontextmanager
    async def transaction(self, *, patient: bool = False) -> AsyncIterator[AsyncConnection]:
        """Lends a connection in a transaction that is committed when the context ends."""
        async with self._engine.connect() as connection:
            lent = await AsyncpgConnection.over(connection, self._watchers)
            try:
                await lent.begin()
                yield cast(AsyncConnection, lent)
                await lent.commit()
            except BaseException:
                await lent.give_up()
                raise
        self._commits.add(1)

    async def close(self) -> None:
        """Holds nothing."""
