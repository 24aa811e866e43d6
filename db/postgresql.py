"""PostgreSQL: the pool of connections to a server, and what it does about those that are gone.

SQLAlchemy's own look at a connection before each use is three trips to the server (BEGIN, a statement without
text, ROLLBACK), of which a short transaction has no more itself. A connection that the server closed is known
without any: the event loop was told. Only one that the network lost is not, and it has been idle.
"""

from __future__ import annotations

from time import monotonic
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

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
