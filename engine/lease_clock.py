"""LeaseClock: the one time that all processes of a database share, so that leases mean the same to each."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from db.queries import health as queries
from db.session import Database
from db.types import now


class LeaseClock:
    """Tells the database's time without asking it each time.

    It is asked now and then, and in between a clock is counted on that nobody sets. So a machine whose
    clock is wrong, or jumps, neither loses its leases nor takes those of others.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._at, self._since = now(), time.monotonic()

    async def agree(self) -> None:
        """Asks the database for its time.

        Raises:
            DatabaseUnavailableError: it does not tell; the clock goes on as before.
        """
        before = time.monotonic()
        async with self._database.read() as connection:
            at = await queries.its_time(connection)
        self._at, self._since = at, before

    def now(self) -> datetime:
        """Returns the time by the database's clock, to the millisecond."""
        at = self._at + timedelta(seconds=time.monotonic() - self._since)
        return at.replace(microsecond=at.microsecond // 1000 * 1000)
