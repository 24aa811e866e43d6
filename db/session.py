"""Database: where a read begins and ends, and where a transaction does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, Literal, Protocol, cast

from sqlalchemy import NullPool, event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from db.asyncpg_connection import AsyncpgConnection
from db.checkpoints import Checkpoints
from db.commits import Commits
from db.drivers import translated, translation
from db.errors import DatabaseUnavailableError
from db.group_commit import GroupCommit
from db.inline import InlineConnection, InlineReads
from db.one_trip import connect
from db.postgresql import PostgresqlTransactions, postgresql_engine
from db.prepared import Prepared

Synchronous = Literal["NORMAL", "FULL", "EXTRA"]


class Database:
    """A SQLite file (`sqlite+aiosqlite:///foretell.db`) or a PostgreSQL database (`postgresql+asyncpg://…`).

    SQLite runs in WAL mode with foreign keys on: any number of readers beside one writer, whose
    concurrent transactions share their commits; short reads run on the event loop (see `db.inline`).
    PostgreSQL uses one pool for both.
    """

    def __init__(
        self,
        url: str,
        *,
        synchronous: Synchronous = "FULL",
        busy_timeout_ms: int = 5000,
        pool_size: int = 10,
    ) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.commits = Commits()
        self.write_problem: str | None = None
        """Why the latest transaction could not be written; None after one that was."""
        self._transactions: Transactions
        self._watchers: list[Callable[[str], None]] = []
        if self.is_sqlite:
            pragmas = _pragmas(synchronous, busy_timeout_ms)
            self._reader = _sqlite_engine(url, [*pragmas, "PRAGMA query_only = ON"], min(pool_size, 4))
            path = self.url.database or ""
            self._inline = InlineReads(path, [*pragmas, "PRAGMA query_only = ON"], self._watchers)
            self._writer = _sqlite_engine(url, pragmas, 2)  # GroupCommit keeps one; the other migrates
            self._transactions = GroupCommit(
                self._writer,
                self.commits,
                Checkpoints(path, pragmas),
                busy_timeout_ms=busy_timeout_ms,
                watchers=self._watchers,
            )
        else:
            self._writer = postgresql_engine(url, pool_size)
            self._reader = self._writer
            self._transactions = PostgresqlTransactions(self._writer, self.commits, self._watchers)

    @property
    def engines(self) -> tuple[AsyncEngine, ...]:
        """The engines beneath, the writer first."""
        return (self._writer, self._reader) if self.is_sqlite else (self._writer,)

    @asynccontextmanager
    async def patient(self) -> AsyncIterator[AsyncConnection]:
        """Lends a connection whose statements may take as long as they take, for migrations."""
        engine = self._writer
        if not self.is_sqlite:
            engine = create_async_engine(self.url, poolclass=NullPool, hide_parameters=True)
        async with engine.connect() as connection:
            yield connection

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Lends a connection for reading; each statement sees the newest committed rows.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        if self.is_sqlite:
            inline: Any = InlineConnection(self._inline, self._reader)  # it has all that statements use
            return cast(AbstractAsyncContextManager[AsyncConnection], inline)
        return self._pooled()

    @asynccontextmanager
    async def _pooled(self) -> AsyncIterator[AsyncConnection]:
        with translated():
            async with self._reader.connect() as connection:
                lent: Any = await AsyncpgConnection.over(connection, self._watchers)
                yield lent

    def at_once(self, prepared: Prepared, **parameters: Any) -> Sequence[Any] | None:
        """Returns the rows of a statement without waiting; None where that can not be, as on PostgreSQL."""
        return self._inline.rows(prepared.form(parameters), parameters) if self.is_sqlite else None

    @contextmanager
    def watched(self, watcher: Callable[[str], None]) -> Iterator[None]:
        """Tells of every statement that reaches the database, in order, while the context lasts."""

        def record(_: Any, __: Any, statement: str, *others: Any) -> None:
            watcher(statement)

        engines = [engine.sync_engine for engine in self.engines]
        for engine in engines:
            event.listen(engine, "before_cursor_execute", record)
        self._watchers.append(watcher)
        try:
            yield
        finally:
            for engine in engines:
                event.remove(engine, "before_cursor_execute", record)
            self._watchers.remove(watcher)

    @property
    def is_awaited(self) -> bool:
        """Whether what somebody waits for was written of late, and would have to wait for a long one."""
        return self._transactions.is_awaited

    def write(self, *, patient: bool = False) -> AbstractAsyncContextManager[AsyncConnection]:
        """Opens a transaction that commits when the block ends, and rolls back when it raises.

        What the block wrote is durable when the context has ended. A `patient` one belongs to work that
        nobody waits for.

        Raises:
            UniqueViolationError: another row has a value that must be unique.
            DatabaseUnavailableError: the database does not answer; nothing was written.
        """
        return _Write(self, self._transactions.transaction(patient=patient))

    async def close(self) -> None:
        """Closes every connection."""
        if self.is_sqlite:
            self._inline.close()
        await self._transactions.close()
        for engine in self.engines:
            await engine.dispose()


class _Write:
    """A transaction whose errors are ours. Not a generator, which is thrice as many calls for every write."""

    __slots__ = ("_database", "_transaction")

    def __init__(self, database: Database, transaction: AbstractAsyncContextManager[AsyncConnection]) -> None:
        self._database = database
        self._transaction = transaction

    async def __aenter__(self) -> AsyncConnection:
        try:
            return await self._transaction.__aenter__()
        except Exception as error:
            self._raise_ours(error)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._transaction.__aexit__(kind, error, trace)
        except Exception as raised:
            self._raise_ours(raised)
            raise
        if error is None:
            self._database.write_problem = None
        else:
            self._raise_ours(error)

    def _raise_ours(self, error: BaseException) -> None:
        """Returns for an error that is to be raised as it is."""
        ours = translation(error)
        problem = ours or error
        if isinstance(problem, DatabaseUnavailableError):
            self._database.write_problem = str(problem)
        if ours is not None:
            raise ours from error


class Transactions(Protocol):
    """How writing transactions are opened and committed."""

    @property
    def is_awaited(self) -> bool:
        """Whether there was one of late that is not patient, and has to wait for others."""

    def transaction(self, *, patient: bool = False) -> AbstractAsyncContextManager[AsyncConnection]:
        """Returns an async context manager that yields a connection in a transaction."""

    async def close(self) -> None:
        """Gives back what the transactions held."""


def _pragmas(synchronous: Synchronous, busy_timeout_ms: int) -> list[str]:
    return [
        f"PRAGMA busy_timeout = {int(busy_timeout_ms)}",
        f"PRAGMA synchronous = {synchronous}",
        "PRAGMA foreign_keys = ON",
        "PRAGMA temp_store = MEMORY",
        "PRAGMA cache_size = -65536",  # 64 MiB a connection
        "PRAGMA wal_autocheckpoint = 32000",  # 128 MiB: before that `db.checkpoints` has copied them
    ]


def _sqlite_engine(url: str, pragmas: list[str], pool_size: int) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        hide_parameters=True,  # an error is logged, and the parameters are prompts and outputs
        pool_reset_on_return=None,  # outside a transaction there is nothing to reset
        connect_args={"async_creator_fn": connect},
        isolation_level="AUTOCOMMIT",  # BEGIN IMMEDIATE is GroupCommit's; a single SELECT needs none
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    return engine
