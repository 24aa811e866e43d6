"""LastUsed: notes when keys were used, for all that were used within a minute by one statement."""

from __future__ import annotations

import asyncio
import logging

from db.errors import DatabaseError
from db.queries import keys as queries
from db.session import Database
from db.types import now

log = logging.getLogger(__name__)

EVERY_SECONDS = 60.0


class LastUsed:
    """Gathers the keys that are used; `run` writes them down."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._used: set[str] = set()

    def note(self, key_id: str) -> None:
        """Notes that a key was used just now; costs no statement."""
        self._used.add(key_id)

    async def run(self) -> None:
        """Writes down once a minute what was used; never ends."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await self.write()

    async def write(self) -> None:
        """Writes down what was used since the last time; what can not be written waits for the next."""
        used, self._used = self._used, set()
        if not used:
            return
        try:
            async with self._database.write() as connection:
                await queries.touch_keys(connection, sorted(used), now())
        except DatabaseError as error:
            log.warning("the use of keys could not be noted: %s", error)
            self._used |= used
