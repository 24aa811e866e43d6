"""Quickness: which calls of a model are over before a thread has woken up to make them.

To hand a call to a thread and back takes two wake-ups and a fight for Python's lock, some 100 µs; a small
model takes a fifth of that for a record. So calls are made on the event loop of which it is known that they
block it for no longer than it takes to hand them on.
"""

from __future__ import annotations

QUICK_SECONDS = 0.0003
"""Calls are made on the event loop that took no longer, or have no more rows than such a one."""
SLOW_SECONDS = 0.001
"""One that took longer is not made there again until one as large was quick in a thread."""


class Quickness:
    """How many rows one model answers quickly, by the calls so far."""

    def __init__(self) -> None:
        self._rows = 0

    def allows(self, rows: int) -> bool:
        """Tells whether a call of so many rows may be made on the event loop."""
        return rows <= self._rows

    def note(self, rows: int, seconds: float) -> None:
        """Takes notice of a call: its rows, and how much of a processor it used."""
        if seconds <= QUICK_SECONDS:
            self._rows = max(self._rows, rows)
        elif seconds > SLOW_SECONDS:
            self._rows = min(self._rows, rows - 1)
