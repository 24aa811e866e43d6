"""GroupCommit: one SQLite writer whose concurrent transactions share a commit.

A commit with `synchronous=FULL` waits for the disk; the statements before it do not. So while one
transaction is written, those that queue behind it join it, each under a savepoint of its own, and
one COMMIT makes them all durable. Nobody is told of success before that COMMIT.

Patient transactions are those of work in the background, some of which write hundreds of rows. What
somebody waits for is committed before one of them begins, so it never waits for one that came later.

What only changes pages in memory (BEGIN, SAVEPOINT, prepared writes) runs on the event loop; what may
wait (for another process's lock, for the disk) runs in the connection's thread, and so does all else.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any, TypeVar, cast

import aiosqlite
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.checkpoints import Checkpoints
from db.commits import Commits
from db.prepared_writes import WriteConnection

GROUP_SIZE = 64
AWAITED_SECONDS = 1.0

T = TypeVar("T")


class GroupCommit:
    """Runs writing transactions one after the other on one connection, and commits them in groups."""

    def __init__(
        self,
        engine: AsyncEngine,
        commits: Commits,
        checkpoints: Checkpoints,
        *,
        busy_timeout_ms: int,
        watchers: Sequence[Callable[[str], None]] = (),
    ) -> None:
        self._engine = engine
        self._commits = commits
        self._checkpoints = checkpoints
        self._checkpoint: asyncio.Task[None] | None = None
        self._changes = 0
        self._busy_timeout_ms = int(busy_timeout_ms)
        self._watchers = watchers
        self._thread = ThreadPoolExecutor(1, "commit")
        self._turn = asyncio.Lock()
        self._waiting = {False: 0, True: 0}
        self._awaited_until = 0.0
        self._connection: AsyncConnection | None = None
        self._raw: sqlite3.Connection | None = None
        self._lent: WriteConnection | None = None
        self._group: _Group | None = None
        self._flush: asyncio.Task[None] | None = None
        self._giving_up: asyncio.Task[None] | None = None
        self._committing: asyncio.Future[None] | None = None
        event.listen(engine.sync_engine, "handle_error", _keep_when_cancelled)

    @property
    def is_awaited(self) -> bool:
        """Whether there was a transaction of late that was not patient."""
        return monotonic() < self._awaited_until

    def transaction(self, *, patient: bool = False) -> _Transaction:
        """Opens a transaction; when the context ends its writes are durable, or the error is raised."""
        return _Transaction(self, patient=patient)

    async def close(self) -> None:
        """Gives the connection back; what was not committed is rolled back."""
        if self._checkpoint is not None:
            self._checkpoint.cancel()
            await asyncio.wait([self._checkpoint])
        await self._checkpoints.close()
        if self._committing is not None and not self._committing.done():
            await asyncio.wait([self._committing])  # of members that were cancelled; SQLite still writes
        self._thread.shutdown(wait=False)
        if self._connection is not None:
            await self._connection.close()
            self._forget_connection()

    def _forget_connection(self) -> None:
        self._connection = self._raw = self._lent = None

    async def _begin(self, *, patient: bool) -> AsyncConnection:
        if not patient:
            self._awaited_until = monotonic() + AWAITED_SECONDS
        await self._take_turn(patient=patient)
        try:
            if patient and self._group is not None and self._group.is_awaited:
                await _uncancelled(self._commit_group(self._group))
            if not self._join_at_once():
                await _uncancelled(self._join())
        except BaseException:
            await self._undo()
            raise
        assert self._lent is not None
        return cast(AsyncConnection, self._lent)

    async def _end(self, *, patient: bool) -> None:
        group = self._group
        assert group is not None
        committed = group.add(patient=patient)
        if self._is_whole(group):
            asyncio.get_running_loop().call_soon(self._commit_or_pass_on, group)
        else:
            self._turn.release()
        await committed

    def _commit_or_pass_on(self, group: _Group) -> None:
        """Commits a group unless somebody has come who may join it; then gives the turn back."""
        if self._is_whole(group):
            self._begin_commit(group).add_done_callback(lambda _: self._turn.release())
        else:
            self._turn.release()

    async def _undo(self) -> None:
        try:
            await _uncancelled(self._leave())
        finally:
            self._turn.release()

    async def _take_turn(self, *, patient: bool) -> None:
        self._waiting[patient] += 1
        try:
            await self._turn.acquire()
        except BaseException:
            # The one before us may have left the COMMIT to us.
            self._flush = asyncio.ensure_future(self._commit_what_is_left())
            raise
        finally:
            self._waiting[patient] -= 1

    async def _commit_what_is_left(self) -> None:
        async with self._turn:
            if self._group is not None:
                await self._commit_when_whole()

    def _join_at_once(self) -> bool:
        """Begins without waiting; returns whether that could be."""
        if self._raw is None:
            return False
        if self._group is not None:
            self._group.has_savepoint = False
            self._run_here("SAVEPOINT member")
            self._group.has_savepoint = True
            return True
        self._raw.execute("PRAGMA busy_timeout = 0")
        try:
            self._run_here("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False  # another process writes now
        finally:
            self._raw.execute(f"PRAGMA busy_timeout = {self._busy_timeout_ms}")
        self._group = _Group()
        return True

    def _run_here(self, sql: str) -> None:
        assert self._raw is not None
        for watcher in self._watchers:
            watcher(sql)
        self._raw.execute(sql)

    async def _join(self) -> None:
        if self._connection is None:
            self._connection = await self._engine.connect()
            driver = await _driver_connection(self._connection)
            self._raw = driver._conn
            self._lent = WriteConnection(self._connection, driver, self._watchers)
        if self._group is None:
            await self._connection.exec_driver_sql("BEGIN IMMEDIATE")
            self._group = _Group()
        else:
            self._group.has_savepoint = False  # until it is there, going back would undo a neighbour
            await self._connection.exec_driver_sql("SAVEPOINT member")
            self._group.has_savepoint = True

    async def _leave(self) -> None:
        """Undoes the writes of the transaction that has the turn, and of no other."""
        group = self._group
        if group is None or self._connection is None:
            return  # BEGIN itself failed
        try:
            if not group.members:
                self._group = None
                await self._connection.exec_driver_sql("ROLLBACK")
            else:
                if group.has_savepoint:
                    await self._connection.exec_driver_sql("ROLLBACK TO member")
                await self._commit_when_whole()
        except BaseException as error:
            await self._give_up(group, error)

    async def _commit_when_whole(self) -> None:
        group = self._group
        assert group is not None
        if self._is_whole(group):
            await self._commit_group(group)

    def _is_whole(self, group: _Group) -> bool:
        """Tells whether nobody waits who may join a group."""
        may_join = self._waiting[False] + (0 if group.is_awaited else self._waiting[True])
        return not may_join or len(group.members) >= GROUP_SIZE

    async def _commit_group(self, group: _Group) -> None:
        await self._begin_commit(group)

    def _begin_commit(self, group: _Group) -> asyncio.Future[None]:
        """Commits in a thread, for it waits for the disk; returns what is done when every member was told.

        It needs no task: whoever leaves meanwhile leaves nothing to be done.
        """
        loop = asyncio.get_running_loop()
        told = self._committing = loop.create_future()
        try:
            self._thread.submit(self._commit, group, loop, told)
        except RuntimeError as error:  # closed
            self._committed(group, error, told)
        return told

    def _commit(self, group: _Group, loop: asyncio.AbstractEventLoop, told: asyncio.Future[None]) -> None:
        error: Exception | None = None
        try:
            self._run_here("COMMIT")
        except sqlite3.OperationalError as raised:  # the disk is full, or gone
            error = OperationalError("COMMIT", None, raised)
        except Exception as raised:
            error = raised
        loop.call_soon_threadsafe(self._committed, group, error, told)

    def _committed(self, group: _Group, error: Exception | None, told: asyncio.Future[None]) -> None:
        if error is not None:
            self._giving_up = asyncio.ensure_future(self._give_up(group, error))
            self._giving_up.add_done_callback(lambda _: _done(told))
            return
        self._group = None
        self._commits.add(len(group.members))
        group.succeed()
        self._copy_when_due()
        _done(told)

    def _copy_when_due(self) -> None:
        assert self._raw is not None
        rows, self._changes = self._raw.total_changes - self._changes, self._raw.total_changes
        is_copying = self._checkpoint is not None and not self._checkpoint.done()
        if self._checkpoints.are_due(rows) and not is_copying:
            self._checkpoint = asyncio.create_task(self._copy())

    async def _copy(self) -> None:
        """Copies the WAL into the file, most of it beside transactions, the rest between two of them."""
        await self._checkpoints.copy()
        await self._take_turn(patient=True)
        try:
            if self._group is not None:
                await _uncancelled(self._commit_group(self._group))
            await self._checkpoints.copy()
        finally:
            self._turn.release()

    async def _give_up(self, group: _Group, error: BaseException) -> None:
        """Fails every member, and drops the connection, whose state is not known any more."""
        self._group, self._changes = None, 0
        group.fail(error)
        connection = self._connection
        self._forget_connection()
        if connection is not None:
            await connection.invalidate()
            await connection.close()


async def _driver_connection(connection: AsyncConnection) -> aiosqlite.Connection:
    """Returns what is beneath SQLAlchemy, and has the connection's thread."""
    pooled = await connection.get_raw_connection()
    return cast(aiosqlite.Connection, pooled.driver_connection)


def _keep_when_cancelled(context: ExceptionContext) -> None:
    """Keeps the connection when a member is cancelled within a statement.

    SQLAlchemy would drop it, and the neighbours' rows with it, because it can not know where the
    statement stands. On aiosqlite that is known: its thread finishes the statement, and only then
    runs the ROLLBACK that waits behind it.
    """
    if isinstance(context.original_exception, asyncio.CancelledError):
        context.is_disconnect = False


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class _Group:
    """The transactions that one COMMIT makes durable, as futures that their members wait for."""

    def __init__(self) -> None:
        self.members: list[asyncio.Future[None]] = []
        self.has_savepoint = False
        self.is_awaited = False
        self._new = asyncio.get_running_loop().create_future

    def add(self, *, patient: bool) -> asyncio.Future[None]:
        """Adds a member, and returns what is done when the group is committed."""
        committed = self._new()
        self.members.append(committed)
        self.is_awaited |= not patient
        return committed

    def succeed(self) -> None:
        """Lets every member go on that still waits."""
        for committed in self.members:
            _done(committed)

    def fail(self, error: BaseException) -> None:
        """Lets every member raise the error, also when none of them waits any more."""
        for committed in self.members:
            if not committed.done():
                committed.set_exception(error)
                committed.exception()


class _Transaction:
    """A member of a group from its turn on. Not a generator, which is thrice as many calls."""

    __slots__ = ("_all", "_patient")

    def __init__(self, all_: GroupCommit, *, patient: bool) -> None:
        self._all = all_
        self._patient = patient

    async def __aenter__(self) -> AsyncConnection:
        return await self._all._begin(patient=self._patient)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self._all._end(patient=self._patient)
        else:
            await self._all._undo()


async def _uncancelled(work: Coroutine[Any, Any, T]) -> T:
    """Awaits work to its end even when the caller is cancelled meanwhile; then lets the cancel through."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue
        raise
