"""Company: many run beside one another, or one alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Company:
    """Room for many, or for one: who wants to be alone waits for those inside, and goes before later ones."""

    def __init__(self) -> None:
        self._door = asyncio.Lock()
        self._inside = 0
        self._left = asyncio.Event()

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[None]:
        """Runs what follows beside others, never beside one that is alone."""
        async with self._door:
            self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            self._left.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Runs what follows beside nobody."""
        async with self._door:
            while self._inside:
                self._left.clear()
                await self._left.wait()
            yield
