"""Checkpoints: the pages of a SQLite file's WAL are copied into the file beside its writer.

SQLite itself does so within the COMMIT that makes the WAL long, whoever waits for it: 20 to 100 ms. Here a
connection of its own copies, in a thread of its own, while others write. What they write meanwhile is left
over, and the WAL begins anew only when nothing is: so the rest, which is short, is copied in the writer's
turn (see `db.group_commit`).
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

log = logging.getLogger(__name__)

ROWS = 1000
"""So many are written before it is worth a copy: those of 300 predictions, some 4,000 pages."""
SECONDS = 0.5
"""Jobs write faster than that: pages that change often are copied as seldom as this."""


class Checkpoints:
    """Copies the WAL of one file. Opens it at the first copy."""

    def __init__(self, path: str, pragmas: Iterable[str]) -> None:
        self._path = path
        self._pragmas = tuple(pragmas)
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._connection: sqlite3.Connection | None = None
        self._rows = 0
        self._at = monotonic()

    def are_due(self, rows: int) -> bool:
        """Notes that so many more rows were committed; returns whether it is time to copy them."""
        self._rows += rows
        if self._rows < ROWS or monotonic() < self._at + SECONDS:
            return False
        self._rows, self._at = 0, monotonic()
        return True

    async def copy(self) -> None:
        """Copies what is committed now. One that fails is made up for by the next, or by SQLite itself."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._copy)
        except sqlite3.Error as error:
            log.warning("the WAL of the database was not copied: %s", error)

    async def close(self) -> None:
        """Closes the file, after the copy that is under way."""
        await asyncio.to_thread(self._thread.shutdown)
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _copy(self) -> None:
        if self._connection is None:
            self._connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            for pragma in self._pragmas:
                self._connection.execute(pragma)
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
