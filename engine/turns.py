"""Turns: lets one at a time in; parties that wait take turns, however long the line of one of them is."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class Turns:
    """A lock for several parties: round robin between them, first come first served within each."""

    def __init__(self) -> None:
        self._lines: dict[Hashable, deque[asyncio.Future[None]]] = {}
        """Who waits; the party whose turn is next comes first. One that is inside is last, if it is here."""
        self._inside: Hashable | None = None
        self._is_taken = False

    @asynccontextmanager
    async def turn(self, party: Hashable) -> AsyncIterator[None]:
        """Waits for a turn of a party, which lasts as long as the context."""
        if self._is_taken:
            await self._wait(party)
        self._is_taken, self._inside = True, party
        try:
            yield
        finally:
            self._leave()

    async def _wait(self, party: Hashable) -> None:
        called = asyncio.get_running_loop().create_future()
        self._lines.setdefault(party, deque()).append(called)
        try:
            await called
        except asyncio.CancelledError:
            if not called.cancelled():  # its turn came just as it gave up: the next one has it
                self._leave()
            raise

    def _leave(self) -> None:
        """Calls the next one in, of another party than this one where another waits."""
        self._to_the_end(self._inside)
        while self._lines:
            party = next(iter(self._lines))
            line = self._lines[party]
            called = line.popleft()
            self._to_the_end(party)
            if not called.done():
                called.set_result(None)
                return
        self._is_taken = False

    def _to_the_end(self, party: Hashable) -> None:
        line = self._lines.pop(party, None)
        if line:
            self._lines[party] = line
