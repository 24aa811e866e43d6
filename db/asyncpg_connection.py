"""AsyncpgConnection: a connection to PostgreSQL whose prepared statements go straight to asyncpg.

For a statement SQLAlchemy takes ten times as long as asyncpg: it looks for it in its cache, changes to a
greenlet and back, and wraps what was found. What is not prepared still goes through it, on the same
connection and so in the same transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import asyncpg
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError
from sqlalchemy.ext.asyncio import AsyncConnection

from db.prepared import POSTGRESQL, Parameters, Prepared

T = TypeVar("T")
Watchers = Sequence[Callable[[str], None]]


class AsyncpgConnection:
    """It has everything that an `AsyncConnection` has; the engine beneath leaves transactions to it."""

    __slots__ = ("_connection", "_driver", "_transaction", "_watchers")

    def __init__(self, connection: AsyncConnection, driver: asyncpg.Connection, watchers: Watchers) -> None:
        self._connection = connection
        self._driver = driver
        self._watchers = watchers
        self._transaction: Any = None

    @classmethod
    async def over(cls, connection: AsyncConnection, watchers: Watchers) -> AsyncpgConnection:
        """Returns it over a connection that SQLAlchemy's pool has lent."""
        pooled: Any = await connection.get_raw_connection()
        return cls(connection, pooled.driver_connection, watchers)

    def __getattr__(self, name: str) -> Any:
        """What is not prepared, an `AsyncConnection` does."""
        return getattr(self._connection, name)

    async def run_prepared(self, prepared: Prepared, parameters: Parameters) -> Sequence[Any]:
        """Returns all rows of a prepared statement."""
        form = prepared.form(parameters, POSTGRESQL)
        return form.made(await self._ask(self._driver.fetch, form.sql, form.arguments(parameters)))

    async def run_written(self, sql: str, arguments: Sequence[Any]) -> int:
        """Runs a statement and returns how many rows it wrote.

        Raises:
            IntegrityError: a constraint refused a row.
        """
        status = await self._ask(self._driver.execute, sql, arguments)
        return int(status.rpartition(" ")[2])

    async def begin(self) -> None:
        """Begins a transaction."""
        self._transaction = self._driver.transaction()
        await self._told("BEGIN", self._transaction.start())

    async def commit(self) -> None:
        """Makes durable what the transaction wrote."""
        await self._told("COMMIT", self._transaction.commit())

    async def give_up(self) -> None:
        """Undoes what the transaction wrote; a connection that can not is closed, which does the same."""
        if self._connection.invalidated:
            return
        try:
            await self._transaction.rollback()
        except BaseException as error:
            await self._connection.invalidate()
            if not isinstance(error, Exception):
                raise

    async def _ask(self, run: Callable[..., Awaitable[T]], sql: str, arguments: Sequence[Any]) -> T:
        for watcher in self._watchers:
            watcher(sql)
        return await self._told(sql, run(sql, *arguments))

    async def _told(self, sql: str, answer: Awaitable[T]) -> T:
        """Raises what SQLAlchemy raises; and as it does, closes a connection that was cut off within."""
        try:
            return await answer
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise _as_sqlalchemy(sql, error) from error
        except Exception:
            raise
        except BaseException:
            await self._connection.invalidate()
            raise


def _as_sqlalchemy(sql: str, error: Exception) -> DBAPIError:
    """Returns SQLAlchemy's error, without the arguments and the row, which are prompts and outputs."""
    if isinstance(error, asyncpg.PostgresError):
        error.detail = None
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return IntegrityError(sql, None, error)
    kind = InterfaceError if isinstance(error, asyncpg.InterfaceError) else DBAPIError
    return kind(sql, None, error)
