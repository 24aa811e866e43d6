"""InlineReads: prepared statements of a SQLite file, run on the event loop.

A page of rows in an index takes SQLite less time than it takes to hand it to a thread and back. So a prepared
statement begins on the event loop. One that takes longer than some milliseconds is broken off, and then, as
when the file is locked, a thread runs it from the start: a read changes nothing, so it may begin twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from time import perf_counter, thread_time
from types import TracebackType
from typing import Any

from cachetools import TTLCache
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.drivers import translation
from db.prepared import Form, Parameters, Prepared

BUDGET_SECONDS = 0.003
"""How much of the processor a statement may use on the event loop: other processes do not count."""
PATIENCE_SECONDS = 0.05
"""How long it may take in all, which a slow disk can make longer."""
LOOK_STEPS = 2000
"""After how many steps of SQLite's virtual machine, about 0.1 ms, the clock is looked at."""
REMEMBERED, REMEMBERED_SECONDS = 500, 60.0
"""How many statements are known that are not worth another try, and for how long."""


class InlineReads:
    """One connection that reads on the event loop. Opened at its first use."""

    def __init__(self, path: str, pragmas: Iterable[str], watchers: Sequence[Callable[[str], None]]) -> None:
        self._path = path
        self._pragmas = tuple(pragmas)
        self._connection: sqlite3.Connection | None = None
        self._slow: TTLCache[str, bool] = TTLCache(REMEMBERED, REMEMBERED_SECONDS)
        self._until = 0.0
        self._used: float | None = None
        self._watchers = watchers
        """Are told every statement that ran here; one that was broken off is told where it runs again."""

    def rows(self, form: Form, parameters: Parameters) -> Sequence[Any] | None:
        """Returns all rows of a statement; None if a thread has to find them."""
        if form.sql in self._slow:
            return None
        try:
            connection = self._connection or self._open()
            self._until, self._used = perf_counter() + PATIENCE_SECONDS, None
            found = form.rows(connection, parameters)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                self._slow[form.sql] = True
            return None
        for watcher in self._watchers:
            watcher(form.sql)
        return found

    def close(self) -> None:
        """Closes the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        # no timeout: a locked file is waited for in a thread
        connection = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
        for pragma in self._pragmas:
            connection.execute(pragma)
        connection.set_progress_handler(self._is_over, LOOK_STEPS)
        self._connection = connection
        return connection

    def _is_over(self) -> bool:
        if self._used is None:  # its first look: the clock of the processor is slow, and most need none
            self._used = thread_time()
        return thread_time() > self._used + BUDGET_SECONDS or perf_counter() > self._until


class InlineConnection:
    """What the statements in `db.queries` use of an `AsyncConnection`, for reading a SQLite file.

    Prepared statements run on the event loop; for all others a connection of the pool is borrowed, at the
    first of them, and given back when the context ends. Its errors are ours.
    """

    __slots__ = ("_borrowed", "_inline", "_pool", "_stack")

    def __init__(self, inline: InlineReads, pool: AsyncEngine) -> None:
        self._inline = inline
        self._pool = pool
        self._borrowed: AsyncConnection | None = None
        self._stack: AsyncExitStack | None = None

    async def __aenter__(self) -> InlineConnection:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stack is not None:
            await self._stack.aclose()
        if error is not None and (ours := translation(error)) is not None:
            raise ours from error

    @property
    def dialect(self) -> Any:
        """The dialect of the pool."""
        return self._pool.dialect

    async def run_prepared(self, prepared: Prepared, parameters: Parameters) -> Sequence[Any]:
        """Returns all rows of a prepared statement."""
        form = prepared.form(parameters)
        found = self._inline.rows(form, parameters)
        if found is not None:
            return found
        borrowed = await self._borrow()
        return form.made((await borrowed.exec_driver_sql(form.sql, form.arguments(parameters))).all())

    async def execute(self, *statement: Any) -> Any:
        """See `AsyncConnection.execute`."""
        return await (await self._borrow()).execute(*statement)

    async def exec_driver_sql(self, *statement: Any) -> Any:
        """See `AsyncConnection.exec_driver_sql`."""
        return await (await self._borrow()).exec_driver_sql(*statement)

    async def run_sync(self, *call: Any) -> Any:
        """See `AsyncConnection.run_sync`."""
        return await (await self._borrow()).run_sync(*call)

    async def _borrow(self) -> AsyncConnection:
        if self._borrowed is None:
            self._stack = AsyncExitStack()
            self._borrowed = await self._stack.enter_async_context(self._pool.connect())
        return self._borrowed
