"""Projects: which limits a project has, kept in memory, because every operation needs to know.

A project is read at its first use, and again every five seconds with all others that are known.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from cachetools import LRUCache

from db.errors import DatabaseUnavailableError
from db.queries import keys as queries
from db.session import Database
from engine.limits.tiers import Tier
from engine.standing import USUAL_TIER

log = logging.getLogger(__name__)

REFRESH_SECONDS = 5.0
MOST_KNOWN = 10_000
AT_ONCE = 500


class Projects:
    """Knows the tiers of projects; while the database is away it goes by what it knew before."""

    def __init__(self, database: Database, tiers: Mapping[str, Tier] | None = None) -> None:
        self._database = database
        self._tiers = {} if tiers is None else tiers
        self._known: LRUCache[str, str] = LRUCache(MOST_KNOWN)

    async def tier(self, project_id: str) -> Tier:
        """Returns the tier of a project.

        Raises:
            DatabaseUnavailableError: it was never asked for before, and can not be read now.
        """
        name = self._known.get(project_id)
        if name is None:
            await self._read([project_id])
            name = self._known.get(project_id, USUAL_TIER)
        return self._named(name)

    async def run(self) -> None:
        """Reads again what is known, until it is cancelled."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await self.refresh()
            except DatabaseUnavailableError as error:
                log.warning("the tiers of projects were not read: %s", error)

    async def refresh(self) -> None:
        """Reads again what is known.

        Raises:
            DatabaseUnavailableError: some may be what they were before.
        """
        ids = list(self._known)
        for start in range(0, len(ids), AT_ONCE):
            await self._read(ids[start : start + AT_ONCE])

    async def _read(self, ids: Sequence[str]) -> None:
        async with self._database.read() as connection:
            self._known.update(await queries.tiers_of(connection, ids))

    def _named(self, name: str) -> Tier:
        found = self._tiers.get(name)
        return self._tiers.get(USUAL_TIER, Tier()) if found is None else found
