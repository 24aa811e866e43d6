"""Circuits: a version that fails is left alone for a while, then tried by one call, and taken back or not.

Closed → open → half-open, as in Nygard's Release It! A circuit opens after so many failures in a row, or
when too many of the last calls failed. Each process counts what it sees; the first that opens a circuit
opens it for all that share a board. The libraries there are for asyncio in 2026 keep no shared state for a
current redis-py, or count failures in a row only (aiobreaker, purgatory, pybreaker, circuitbreaker, hyx).
"""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from db.types import from_epoch_ms
from engine.routing.base import Board, Opened
from engine.values import CircuitState

log = logging.getLogger(__name__)

CALLS = 100
"""How many of the last calls the error rate is of, if they are not older than `WINDOW_SECONDS`."""
WINDOW_SECONDS = 30.0
LEAST_CALLS = 20
"""Fewer calls say nothing about a rate."""
MOST_PAUSE_SECONDS = 60.0
PROBE_SECONDS = 30.0
"""After this long without an end another call may try a half-open circuit."""


@dataclass(slots=True)
class _Seen:
    """The last calls of a version: when each ended, and whether it failed."""

    calls: deque[tuple[float, bool]] = field(default_factory=lambda: deque(maxlen=CALLS))
    failed_in_a_row: int = 0

    def add(self, *, failed: bool) -> None:
        self.calls.append((time.monotonic(), failed))
        self.failed_in_a_row = self.failed_in_a_row + 1 if failed else 0

    def rate(self) -> float:
        """Returns the part of the last calls that failed; 0 where they are too few."""
        since = time.monotonic() - WINDOW_SECONDS
        recent = [failed for at, failed in self.calls if at >= since]
        return sum(recent) / len(recent) if len(recent) >= LEAST_CALLS else 0.0


class Circuits:
    """A circuit for each version.

    `failures` in a row open one, and so does an `error_rate` (0 to 1) of at least 20 calls in half a minute.
    It stays open for `pause_seconds`, and twice as long, up to a minute, after each try that fails.
    """

    def __init__(
        self, board: Board, *, failures: int = 5, error_rate: float = 0.5, pause_seconds: float = 5.0
    ) -> None:
        self.board = board
        self._failures = failures
        self._error_rate = error_rate
        self.pause_seconds = pause_seconds
        self._seen: dict[str, _Seen] = {}

    def state(self, version_id: str) -> CircuitState:
        """Returns the state of a version's circuit."""
        opened = self.board.opened(version_id)
        if opened is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if opened.until > time.time() else CircuitState.HALF_OPEN

    def is_open(self, version_id: str) -> bool:
        """Tells whether a version failed so often that it is not asked as usual."""
        return self.board.opened(version_id) is not None

    def next_try_at(self, version_id: str) -> datetime | None:
        """Returns when an open circuit is tried next; None for one that is not open."""
        opened = self.board.opened(version_id)
        return (
            None if opened is None or opened.until <= time.time() else from_epoch_ms(int(opened.until * 1000))
        )

    def seconds_left(self, version_id: str) -> float:
        """Returns for how long a version is to be left alone; 0 where it may be asked or tried."""
        opened = self.board.opened(version_id)
        return 0.0 if opened is None else max(0.0, opened.until - time.time())

    async def enter(self, version_id: str) -> bool:
        """Tells whether a call may go to a version; to one that is half-open one call may at a time."""
        if self.board.opened(version_id) is None:
            return True
        if self.seconds_left(version_id):
            return False
        return await self.board.probe(version_id, PROBE_SECONDS)

    async def succeeded(self, version_id: str) -> None:
        """Notes that the version answered a call; that closes its circuit."""
        seen = self._seen.setdefault(version_id, _Seen())
        seen.add(failed=False)
        if self.board.opened(version_id) is not None:
            self._seen[version_id] = _Seen()
            await self.board.remove(version_id)
            await self.board.end_probe(version_id)
            log.info("the circuit of version %s is closed", version_id)

    async def failed(self, version_id: str) -> None:
        """Notes that the version failed a call; that may open its circuit."""
        seen = self._seen.setdefault(version_id, _Seen())
        seen.add(failed=True)
        opened = self.board.opened(version_id)
        if opened is not None:
            if opened.until <= time.time():  # else the call had begun before the circuit was opened
                await self._open(version_id, min(opened.pause * 2, MOST_PAUSE_SECONDS))
                await self.board.end_probe(version_id)
        elif seen.failed_in_a_row >= self._failures or seen.rate() >= self._error_rate:
            await self._open(version_id, self.pause_seconds)

    async def left(self, version_id: str) -> None:
        """Notes that a call ended without telling whether the version works."""
        if self.board.opened(version_id) is not None:
            await self.board.end_probe(version_id)

    async def _open(self, version_id: str, pause: float) -> None:
        log.warning("the circuit of version %s is open for %s s", version_id, pause)
        self._seen[version_id] = _Seen()
        await self.board.put(version_id, Opened(time.time() + pause, pause))
