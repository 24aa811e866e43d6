"""Prepared writes: the INSERTs and UPDATEs of single rows that every prediction makes.

Within a transaction they change pages in memory, which takes SQLite less time than a thread takes to wake
up, so they run on the event loop (see `db.group_commit`, whose COMMIT does not). On PostgreSQL they go to
asyncpg (see `db.asyncpg_connection`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import aiosqlite
from sqlalchemy import Insert, Update
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.compiler import SQLCompiler

from db.prepared import POSTGRESQL, SQLITE, Parameters, Prepared, binder

Values = Mapping[str, Any]
RunInThread = Callable[[Sequence[tuple[str, Sequence[Any]]]], Awaitable[None]]
"""The method of a connection to SQLite that runs long statements in its thread."""
RunWritten = Callable[[str, Sequence[Any]], Awaitable[int]]
"""The method of a connection to PostgreSQL that runs statements and returns how many rows they wrote."""


class PreparedWrite:
    """An INSERT or UPDATE that gets all its values by name, the same two or more names each time."""

    __slots__ = ("_forms", "_names", "_statement")

    def __init__(self, statement: Insert | Update, names: Sequence[str]) -> None:
        self._statement = statement
        self._names = tuple(names)
        self._forms: dict[str, WriteForm] = {}

    async def run(self, connection: AsyncConnection, values: Values) -> int:
        """Runs the statement and returns how many rows it wrote. Raises what `connection.execute` raises."""
        run_at_once: Callable[[str, list[Any]], int] | None = getattr(connection, "run_at_once", None)
        if run_at_once is not None:
            form = self._form(SQLITE)
            return run_at_once(form.sql, form.positional(values))
        return await self._run_written(connection, values)

    async def run_long(self, connection: AsyncConnection, values: Values) -> None:
        """Runs the statement where it keeps nobody waiting, because it writes many rows."""
        run: RunInThread | None = getattr(connection, "run_in_thread", None)
        if run is None:
            await self._run_written(connection, values)
        else:
            form = self._form(SQLITE)
            await run([(form.sql, form.positional(values))])

    async def _run_written(self, connection: AsyncConnection, values: Values) -> int:
        run: RunWritten = connection.run_written  # type: ignore[attr-defined]
        form = self._form(POSTGRESQL)
        return await run(form.sql, form.positional(values))

    def _form(self, dialect: Dialect) -> WriteForm:
        found = self._forms.get(dialect.name)
        if found is None:
            found = self._forms[dialect.name] = WriteForm(self._statement, self._names, dialect)
        return found


class WriteForm:
    """A statement compiled for a database."""

    __slots__ = ("_binders", "_constants", "_values", "sql")

    def __init__(self, statement: Insert | Update, names: Sequence[str], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(names))
        assert isinstance(compiled, SQLCompiler)
        self.sql = compiled.string
        arguments = compiled.positiontup or []
        self._values = itemgetter(*arguments)
        binders = [binder(compiled, name) for name in arguments]
        self._binders = [(place, bind) for place, bind in enumerate(binders) if bind is not None]
        bound = {name: compiled.binds[name] for name in arguments}
        self._constants = {name: bind.value for name, bind in bound.items() if not bind.required}

    def positional(self, values: Values) -> list[Any]:
        """Returns values in the order of the statement, as the driver takes them."""
        found = list(self._values({**self._constants, **values} if self._constants else values))
        for place, bind in self._binders:
            value = found[place]
            if value is not None:  # which is NULL, whatever the column
                found[place] = bind(value)
        return found


class WriteConnection:
    """The connection of a writing transaction; prepared statements run on the event loop.

    It has everything that an `AsyncConnection` has. No thread uses the connection while a statement runs
    here: a transaction awaits each of its statements.
    """

    def __init__(
        self,
        connection: AsyncConnection,
        driver: aiosqlite.Connection,
        watchers: Sequence[Callable[[str], None]],
    ) -> None:
        self._connection = connection
        self._driver = driver
        self._raw = driver._conn
        self._watchers = watchers

    def __getattr__(self, name: str) -> Any:
        """What is not prepared, an `AsyncConnection` does."""
        return getattr(self._connection, name)

    def run_at_once(self, sql: str, arguments: Sequence[Any]) -> int:
        """Runs a statement and returns how many rows it wrote.

        Raises:
            IntegrityError: a constraint refused the row.
        """
        for watcher in self._watchers:
            watcher(sql)
        try:
            return self._raw.execute(sql, arguments).rowcount
        except (sqlite3.IntegrityError, sqlite3.OperationalError) as error:
            raise _as_sqlalchemy(sql, error) from error

    async def run_in_thread(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Runs statements that take a while, one after the other, within one trip to the connection's thread.

        Raises:
            IntegrityError: a constraint refused a row.
            OperationalError: the disk is full, or gone.
        """
        for sql, _ in statements:
            for watcher in self._watchers:
                watcher(sql)
        await self._driver._execute(_run_all, self._raw, statements)  # type: ignore[no-untyped-call]

    async def run_prepared(self, prepared: Prepared, parameters: Parameters) -> Sequence[Any]:
        """Returns all rows of a prepared statement; a SELECT has those that this transaction has written.

        Raises:
            OperationalError: the disk is full, or gone.
        """
        form = prepared.form(parameters)
        for watcher in self._watchers:
            watcher(form.sql)
        try:
            return form.rows(self._raw, parameters)
        except (sqlite3.IntegrityError, sqlite3.OperationalError) as error:
            raise _as_sqlalchemy(form.sql, error) from error


def _run_all(raw: sqlite3.Connection, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
    for sql, arguments in statements:
        try:
            raw.execute(sql, arguments)
        except (sqlite3.IntegrityError, sqlite3.OperationalError) as error:
            raise _as_sqlalchemy(sql, error) from error


def _as_sqlalchemy(sql: str, error: sqlite3.DatabaseError) -> DBAPIError:
    """Returns SQLAlchemy's error, without the arguments, which are prompts and outputs."""
    kind = IntegrityError if isinstance(error, sqlite3.IntegrityError) else OperationalError
    return kind(sql, None, error)
