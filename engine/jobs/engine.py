"""Engine: says who runs which chunk now, and may lose everything: the database knows what there is to do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

log = logging.getLogger(__name__)

Handler = Callable[[int], Awaitable[None]]
"""Runs one chunk, known by its number. Cancelled, it stores what has ended and gives back the rest."""


class Engine(Protocol):
    """Hands chunks to workers."""

    async def offer(self, keys: Iterable[int]) -> None:
        """Lets workers run chunks; one that is waiting or running already is not run twice.

        An engine that is down for a while loses them: they are offered again.
        """

    async def cancel(self, key: int) -> None:
        """Cancels the handler of a chunk wherever it runs; may be lost."""

    async def run(self, handler: Handler, slots: int) -> None:
        """Runs what is offered, `slots` at a time, until it is cancelled; then the handlers are too."""

    async def close(self) -> None:
        """Gives back what it holds; nothing is run any more."""


class LocalEngine:
    """Runs chunks in this process, in the order they came."""

    def __init__(self) -> None:
        self._known: set[int] = set()
        self._waiting: asyncio.Queue[int] = asyncio.Queue()
        self._running: dict[int, asyncio.Task[None]] = {}

    async def offer(self, keys: Iterable[int]) -> None:
        """See `Engine`."""
        for key in keys:
            if key not in self._known:
                self._known.add(key)
                self._waiting.put_nowait(key)

    async def cancel(self, key: int) -> None:
        """See `Engine`."""
        if key in self._running:
            self._running[key].cancel()

    async def run(self, handler: Handler, slots: int) -> None:
        """See `Engine`."""
        async with asyncio.TaskGroup() as lanes:
            for _ in range(slots):
                lanes.create_task(self._lane(handler))

    async def close(self) -> None:
        """Holds nothing."""

    async def _lane(self, handler: Handler) -> None:
        while True:
            key = await self._waiting.get()
            work = self._running[key] = asyncio.create_task(_run(handler, key), name=f"chunk {key}")
            try:
                await asyncio.wait([work])
            except asyncio.CancelledError:
                work.cancel()
                await asyncio.wait([work])
                raise
            finally:
                del self._running[key]
                self._known.discard(key)


async def _run(handler: Handler, key: int) -> None:
    """Runs a handler; one that breaks leaves its chunk to be offered again, and the lane to the next."""
    try:
        await handler(key)
    except Exception:
        log.exception("chunk %s could not be run", key)
