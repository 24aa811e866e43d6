"""Guesses: slows down whoever tries credentials out, and nobody else.

Wrong credentials are counted by the address they come from, and by address and name (the start of a key,
an email address). Nothing is counted by the name alone: that would let anybody lock an account from
anywhere. A credential that was right a while ago is not held up by its neighbours.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from cachetools import TTLCache

from engine.errors import TooManyAttemptsError

WINDOW_SECONDS = 60.0
PER_NAME = 10
PER_ADDRESS = 100
KNOWN_SECONDS = 3600.0
REMEMBERED = 10_000
"""Addresses, names and credentials at most, each: some megabytes. The oldest are forgotten first."""


class Guesses:
    """Counts wrong credentials in this process, for a minute from the first of each place."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: TTLCache[tuple[str, str], list[float]] = TTLCache(REMEMBERED, WINDOW_SECONDS, clock)
        self._right: OrderedDict[bytes, float] = OrderedDict()

    def require_room(self, address: str, name: str, digest: bytes | None = None) -> None:
        """Returns if a credential may be looked at; one whose hash is given passes if it was right before.

        Raises:
            TooManyAttemptsError: too many wrong ones came before it; it says when to try again.
        """
        if digest is not None and self._was_right(digest):
            return
        for place, most in (((address, name), PER_NAME), ((address, ""), PER_ADDRESS)):
            first, *others = self._wrong.get(place) or [0.0]
            if len(others) >= most:
                raise TooManyAttemptsError(retry_after_seconds=first + WINDOW_SECONDS - self._clock())

    def wrong(self, address: str, name: str) -> None:
        """Counts a wrong credential."""
        for place in ((address, name), (address, "")):
            at = self._clock()
            self._wrong.setdefault(place, [at]).append(at)

    def forgive(self, address: str, name: str) -> None:
        """Takes one back that was counted as wrong before it was known to be right."""
        for place in ((address, name), (address, "")):
            counted = self._wrong.get(place, [])
            if len(counted) > 1:
                counted.pop()

    def right(self, digest: bytes) -> None:
        """Remembers the hash of a credential that was right."""
        self._right[digest] = self._clock()
        self._right.move_to_end(digest)
        if len(self._right) > REMEMBERED:
            self._right.popitem(last=False)

    def _was_right(self, digest: bytes) -> bool:
        at = self._right.get(digest)
        return at is not None and self._clock() - at < KNOWN_SECONDS
