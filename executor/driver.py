"""Awaiting: rounds of starting, waiting and completing, until nothing is awaited any more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, located_error

from executor.arrivals import Arrivals, Pending
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
    __slots__ = ("_arrivals", "_bubbles", "_operation", "_response")

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._response = operation.response
        self._arrivals = Arrivals()
        self._bubbles: list[tuple[GraphQLError, Position]] = []

    async def run(self) -> None:
        operation, arrivals = self._operation, self._arrivals
        while operation.starting or arrivals:
            if len(operation.starting) == 1 and not arrivals:
                await self._await_alone(operation.starting.pop())
            else:
                self._start()
                for future, pendings in await arrivals.next():
                    self._arrive(future, pendings)
            if self._bubbles:
                await self._bubble_up()

    async def abandon(self) -> None:
        self._operation.close()
        await self._arrivals.abandon()

    def _start(self) -> None:
        starting, self._operation.starting = self._operation.starting, []
        self._arrivals.start(starting)

    async def _await_alone(self, pending: Pending) -> None:
        """Awaits a single value without a task for it."""
        try:
            value = await pending.awaitable
        except Exception as error:
            self._fail(pending, error)
        else:
            self._settle(pending, value)

    def _arrive(self, future: asyncio.Future[Any], pendings: list[Pending]) -> None:
        wanted = [pending for pending in pendings if not pending.cancelled]
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
            pending.container[pending.key] = completed

    def _fail(self, pending: Pending, raised: Exception) -> None:
        position = pending.position
        if self._response.is_detached(position[0]):
            return  # it was awaited only so that it is awaited
        error = located_error(raised, pending.site.nodes, keys_of(position))
        if position[3]:
            self._response.add(error, position)
        else:
            self._bubbles.append((error, position))

    async def _bubble_up(self) -> None:
        """Lets errors travel up once all that arrived together with them is completed."""
        bubbles, self._bubbles = self._bubbles, []
        if self._operation.starting:
            self._start()
            await asyncio.sleep(0)  # started is started: resolvers run up to their first await
        for error, position in bubbles:
            self._cancel_under(self._response.bubble(error, position))
        self._arrivals.forget_cancelled()

    def _cancel_under(self, top: Position | None) -> None:
        self._arrivals.cancel(lambda pending: self._response.stands_under(pending.position, top))
