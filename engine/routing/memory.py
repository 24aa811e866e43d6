"""MemoryBoard: the open circuits of one process."""

from __future__ import annotations

import asyncio
import time

from engine.routing.base import Opened


class MemoryBoard:
    """Keeps them in a dictionary."""

    def __init__(self) -> None:
        self._opened: dict[str, Opened] = {}
        self._probes: dict[str, float] = {}

    async def run(self) -> None:
        """There are no others."""
        await asyncio.Event().wait()

    def opened(self, version_id: str) -> Opened | None:
        """See `Board`."""
        return self._opened.get(version_id)

    async def put(self, version_id: str, opened: Opened) -> None:
        """See `Board`."""
        self._opened[version_id] = opened

    async def remove(self, version_id: str) -> None:
        """See `Board`."""
        self._opened.pop(version_id, None)

    async def probe(self, version_id: str, seconds: float) -> bool:
        """See `Board`."""
        if self._probes.get(version_id, 0.0) > time.monotonic():
            return False
        self._probes[version_id] = time.monotonic() + seconds
        return True

    async def end_probe(self, version_id: str) -> None:
        """See `Board`."""
        self._probes.pop(version_id, None)

    async def close(self) -> None:
        """Holds nothing."""
