"""Shares: how much of a version's capacity in this process jobs may take, so that others get theirs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from engine.backends.base import ManyBackend
from engine.serving import Served

USUAL_CONCURRENCY = 16
"""Calls at once of a version that is not computed in threads of this process, if its config says nothing."""


class Shares:
    """A limit of concurrent calls for each version, and which of them are to be left alone for a while.

    `share` is the part of a version's capacity that jobs may take, 0 to 1; it is one call at least.
    `threads` is how many calls this process can compute at once.
    """

    def __init__(self, share: float, threads: int) -> None:
        self._share = share
        self._threads = threads
        self._gates: dict[str, _Gate] = {}

    @asynccontextmanager
    async def call(self, served: Served) -> AsyncIterator[None]:
        """Waits for its turn to ask a version once, and holds it while the context lasts."""
        async with self._gate(served).slots:
            yield

    def close(self, served: Served, seconds: float) -> None:
        """Asks callers to leave a version alone for some seconds: it said that it has too much to do."""
        gate = self._gate(served)
        gate.closed_until = max(gate.closed_until, time.monotonic() + seconds)

    def closed_for(self, served: Served) -> float:
        """Returns for how many more seconds a version is to be left alone."""
        return max(0.0, self._gate(served).closed_until - time.monotonic())

    def _gate(self, served: Served) -> _Gate:
        spec = served.version.spec
        gate = self._gates.get(spec.id)
        if gate is None:
            usual = self._threads if isinstance(served.backend, ManyBackend) else USUAL_CONCURRENCY
            capacity = int(spec.config.get("concurrency", usual))
            gate = self._gates[spec.id] = _Gate(asyncio.Semaphore(max(1, int(capacity * self._share))))
        return gate


@dataclass(slots=True)
class _Gate:
    slots: asyncio.Semaphore
    closed_until: float = 0.0
