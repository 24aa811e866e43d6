"""Callers: those who wait for answers that this process computes, and go before its jobs.

A piece of a job that has begun keeps a caller waiting until it ends: it has Python's lock, or the writer's
turn. So each piece begins when nobody waits, or after a while: callers who come without end slow a job down
but do not stop it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

MOST_SECONDS = 0.02


class Callers:
    """Counts those who wait now."""

    def __init__(self) -> None:
        self._waiting = 0
        self._nobody = asyncio.Event()
        self._nobody.set()

    def enter(self) -> None:
        """Counts one more."""
        self._waiting += 1
        self._nobody.clear()

    def leave(self) -> None:
        """Counts one less."""
        self._waiting -= 1
        if not self._waiting:
            self._nobody.set()

    async def go_first(self) -> None:
        """Returns when nobody waits, or after 20 ms."""
        if self._waiting:
            with suppress(TimeoutError):
                async with asyncio.timeout(MOST_SECONDS):
                    await self._nobody.wait()
