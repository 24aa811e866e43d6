"""The awaitables of an operation: started together, handed back in the order in which they arrive.

There is no task for each field. A coroutine becomes one task, a future is watched as it is, and the fields
that wait for the same future (a loader's, for the same key) share one callback.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from strawberry.utils.await_maybe import await_maybe

if TYPE_CHECKING:
    from executor.plan import Completer, FieldSite
    from executor.positions import Position


class Pending:
    """A value of the response that is still awaited: where it belongs and how it is completed.

    `container` is the object or list that gets it under `key`; None means that it is looked up by position.
    """

    __slots__ = ("awaitable", "cancelled", "complete", "container", "key", "position", "site")

    def __init__(
        self,
        awaitable: Awaitable[Any],
        site: FieldSite,
        position: Position,
        complete: Completer,
        container: Any,
    ) -> None:
        self.awaitable = awaitable
        self.site = site
        self.position = position
        self.key = position[1]
        self.complete = complete
        self.container = container
        self.cancelled = False

    def close(self) -> None:
        """Disposes of a coroutine that will never be awaited."""
        if asyncio.iscoroutine(self.awaitable):
            self.awaitable.close()


class Arrivals:
    """Waits for pendings. Made inside the task of the operation, and used by it alone."""

    __slots__ = ("_loop", "_ready", "_waiter", "_waiting")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[asyncio.Future[Any], list[Pending]] = {}
        self._ready: list[asyncio.Future[Any]] = []
        self._waiter: asyncio.Future[None] | None = None

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def start(self, pendings: Iterable[Pending]) -> None:
        """Starts what the pendings wait for; what is done already is ready in the same order."""
        for pending in pendings:
            future = self._future(pending.awaitable)
            together = self._waiting.get(future)
            if together is not None:
                together.append(pending)
                continue
            self._waiting[future] = [pending]
            if future.done():
                self._ready.append(future)
            else:
                future.add_done_callback(self._arrived)

    async def next(self) -> list[tuple[asyncio.Future[Any], list[Pending]]]:
        """Returns all that has arrived, and waits if nothing has."""
        if not self._ready:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        ready, self._ready = self._ready, []
        return [(future, self._waiting.pop(future)) for future in ready]

    def cancel(self, is_meant: Callable[[Pending], bool]) -> None:
        """Cancels the pendings that are meant, and the tasks that nobody else waits for.

        A bare future is left alone: it belongs to whoever made it, and others may wait for it too.
        """
        for future, pendings in self._waiting.items():
            for pending in pendings:
                pending.cancelled = pending.cancelled or is_meant(pending)
            if isinstance(future, asyncio.Task) and all(pending.cancelled for pending in pendings):
                future.cancel()

    def forget_cancelled(self) -> None:
        """Stops waiting for bare futures whose pendings are all cancelled: nothing of ours runs in them."""
        for future, pendings in list(self._waiting.items()):
            if isinstance(future, asyncio.Task) or future in self._ready:
                continue
            if all(pending.cancelled for pending in pendings):
                future.remove_done_callback(self._arrived)
                del self._waiting[future]

    async def abandon(self) -> None:
        """Cancels everything and waits until it has ended: the operation is over."""
        for future in self._waiting:
            future.remove_done_callback(self._arrived)
            future.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)
        self._waiting.clear()

    def _future(self, awaitable: Awaitable[Any]) -> asyncio.Future[Any]:
        if asyncio.iscoroutine(awaitable):
            return self._loop.create_task(awaitable)
        if isinstance(awaitable, asyncio.Future) and awaitable.get_loop() is self._loop:
            return awaitable
        return self._loop.create_task(await_maybe(awaitable))

    def _arrived(self, future: asyncio.Future[Any]) -> None:
        self._ready.append(future)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
