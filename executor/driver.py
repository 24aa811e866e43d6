"""Awaiting: what an operation has noted is started together, and completed as it arrives.

A coroutine gets a task, which completes the value itself and goes on with what follows from it; the only
awaitable of an operation gets none. Neither do futures (a loader's): the fields that wait for the same one
share a callback, and those that arrive together are completed together.
"""

from __future__ import annotations

import asyncio
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, located_error

from executor.pending import Pending
from executor.positions import Position, keys_of

if TYPE_CHECKING:
    from executor.operation import Operation


async def drive(operation: Operation) -> None:
    """Awaits all that an operation has noted, and all that follows from it.

    Ends only when everything that was started has ended. If it is cancelled, all of it is cancelled, and has
    ended, before the cancellation goes on. The same holds if an awaitable was cancelled by somebody else:
    that cancels the operation, as in graphql-core.
    """
    driver = _Driver(operation)
    try:
        await driver.run()
    except BaseException:
        await driver.abandon()
        raise


class _Driver:
    __slots__ = (
        "_bubbles",
        "_crash",
        "_loop",
        "_operation",
        "_ready",
        "_response",
        "_running",
        "_waiter",
        "_watched",
    )

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._response = operation.response
        self._loop = asyncio.get_running_loop()
        self._running: dict[asyncio.Task[None], Pending] = {}
        self._watched: dict[asyncio.Future[Any], list[Pending]] = {}
        self._ready: list[asyncio.Future[Any]] = []
        self._bubbles: list[tuple[GraphQLError, Position]] = []
        self._crash: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def run(self) -> None:
        if len(self._operation.starting) == 1:
            await self._follow(self._operation.starting.pop(), alone=True)
        self._start()
        while self._running or self._watched or self._bubbles:
            await self._news()
            ready, self._ready = self._ready, []
            for future in ready:
                self._arrive(future, self._watched.pop(future))
            self._start()
            if self._bubbles:
                await self._bubble_up()

    async def abandon(self) -> None:
        """Cancels everything and waits until it has ended."""
        self._operation.close()
        for task, pending in self._running.items():
            pending.is_cancelled = True
            task.cancel()
            pending.close()
        for future in self._watched:
            future.remove_done_callback(self._arrived)
            future.cancel()
        await asyncio.gather(*self._running, *self._watched, return_exceptions=True)

    def _start(self) -> None:
        starting, self._operation.starting = self._operation.starting, []
        loop, watched = self._loop, self._watched
        for pending in starting:
            awaitable = pending.awaitable
            if not isinstance(awaitable, asyncio.Future) or awaitable.get_loop() is not loop:
                self._running[loop.create_task(self._follow(pending))] = pending
            elif awaitable in watched:
                watched[awaitable].append(pending)
            else:
                watched[awaitable] = [pending]
                if awaitable.done():
                    self._arrived(awaitable)
                else:
                    awaitable.add_done_callback(self._arrived)

    def _arrived(self, future: asyncio.Future[Any]) -> None:
        self._ready.append(future)
        self._wake()

    async def _follow(self, pending: Pending, *, alone: bool = False) -> None:
        """Awaits and completes a value, and what follows from it as long as that is a single coroutine.

        In a task of its own, unless it is `alone` and runs in the task of the operation.
        """
        operation, running = self._operation, self._running
        task = None if alone else asyncio.current_task()
        try:
            while True:
                try:
                    value = await pending.awaitable
                except Exception as error:
                    if not pending.is_cancelled:
                        self._fail(pending, error)
                else:
                    if not pending.is_cancelled:
                        self._settle(pending, value)
                starting = operation.starting
                # an error that travels up waits for nothing: what it cancels must not go on meanwhile
                if (
                    self._bubbles
                    or len(starting) != 1
                    or not isinstance(starting[0].awaitable, CoroutineType)
                ):
                    self._start()
                    return
                pending = starting.pop()
                if task is not None:
                    running[task] = pending
        except BaseException as error:
            if task is not None and not running[task].is_cancelled:
                self._crash = error
            raise
        finally:
            if task is not None:
                del running[task]
                if self._bubbles or self._crash or not running:
                    self._wake()

    def _arrive(self, future: asyncio.Future[Any], pendings: list[Pending]) -> None:
        wanted = [pending for pending in pendings if not pending.is_cancelled]
        if not wanted:
            if not future.cancelled():
                future.exception()  # seen: what a task raises while it is cancelled interests nobody
            return
        try:
            value = future.result()
        except Exception as error:
            for pending in wanted:
                self._fail(pending, error)
        else:
            for pending in wanted:
                self._settle(pending, value)

    def _settle(self, pending: Pending, value: Any) -> None:
        try:
            completed = pending.complete(value, self._operation, pending.position, pending.site)
        except Exception as error:
            self._fail(pending, error)
            return
        if pending.container is None:
            self._response.write(pending.position, completed)
        else:
            pending.container[pending.position[1]] = completed

    def _fail(self, pending: Pending, raised: Exception) -> None:
        position = pending.position
        if self._response.is_detached(position[0]):
            return  # it was awaited only so that it is awaited
        error = located_error(raised, pending.site.nodes, keys_of(position))
        if position[3]:
            self._response.add(error, position)
        else:
            self._bubbles.append((error, position))

    async def _news(self) -> None:
        """Waits until something has arrived, an error wants to travel, or all tasks have ended."""
        if not (self._ready or self._bubbles or self._crash):
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self._crash is not None:
            raise self._crash

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _bubble_up(self) -> None:
        """Lets errors travel up once all that arrived together with them is completed."""
        await asyncio.sleep(0)
        bubbles, self._bubbles = self._bubbles, []
        for error, position in bubbles:
            self._cancel_under(self._response.bubble(error, position))
        await asyncio.sleep(0)  # a task that had not begun ends now

    def _cancel_under(self, top: Position | None) -> None:
        """Cancels what is awaited under a position.

        A bare future is only forgotten: it belongs to whoever made it, and others may wait for it too.
        """
        for task, pending in list(self._running.items()):
            if self._response.stands_under(pending.position, top):
                pending.is_cancelled = True
                task.cancel()
                if pending.close():  # then the task never begins, and cannot tell that it has ended
                    del self._running[task]
        for future, pendings in list(self._watched.items()):
            for pending in pendings:
                pending.is_cancelled = pending.is_cancelled or self._response.stands_under(
                    pending.position, top
                )
            if all(pending.is_cancelled for pending in pendings):
                if isinstance(future, asyncio.Task):
                    future.cancel()
                elif future not in self._ready:
                    future.remove_done_callback(self._arrived)
                    del self._watched[future]
