"""OneTripConnection: aiosqlite with one trip to its thread for a statement, where it has four.

To open a cursor, run the statement, read the rows and close the cursor is a trip each, and a trip costs more
than SQLite takes for most statements: both threads wake up, and fight for Python's lock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from functools import partial
from typing import Any

import aiosqlite
from aiosqlite.context import Result

from db.wal import open_wal


class OneTripCursor(aiosqlite.Cursor):
    """A cursor whose statement is read to its end as soon as it is run: nothing is left to be closed."""

    _rows: list[Any]

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> OneTripCursor:
        """Runs a statement and fetches all its rows."""
        given = () if parameters is None else parameters
        self._rows = await self._execute(_fetched, self._cursor, sql, given)  # type: ignore[no-untyped-call]
        return self

    async def fetchall(self) -> Iterable[Any]:
        """Returns the rows that were fetched."""
        return self._rows

    async def close(self) -> None:
        """Has nothing to do."""


class OneTripConnection(aiosqlite.Connection):
    """A connection that hands out such cursors. It has to be made with `check_same_thread=False`."""

    def cursor(self) -> Result[aiosqlite.Cursor]:
        """Opens a cursor, in whatever thread: that touches no file."""
        return Result(self._cursor())

    async def _connect(self) -> OneTripConnection:
        try:
            await super()._connect()
        except sqlite3.Error:
            self._thread.join()  # it has a last word for the loop, which may be closed by then
            raise
        return self

    async def _cursor(self) -> aiosqlite.Cursor:
        return OneTripCursor(self, self._conn.cursor())


def connect(database: str, **options: Any) -> OneTripConnection:
    """Returns a connection to a file in WAL mode, not open yet; `options` are those of `sqlite3.connect`."""
    connection = OneTripConnection(partial(open_wal, database, **options), iter_chunk_size=64)
    connection._thread.daemon = True  # as SQLAlchemy has it: a forgotten one does not keep the process alive
    return connection


def _fetched(cursor: sqlite3.Cursor, sql: str, parameters: Iterable[Any]) -> list[Any]:
    cursor.execute(sql, parameters)  # type: ignore[arg-type]
    return cursor.fetchall() if cursor.description else []
