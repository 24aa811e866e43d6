"""Projects: which limits a project has, kept in memory, because every operation needs to know.

A project is read at its first use, and again with all others that are known: every five seconds, and
when another process tells that it gave one a budget.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cachetools import LRUCache

from db.errors import DatabaseUnavailableError
from db.queries import keys as queries
from db.session import Database
from engine.bus.base import Bus
from engine.limits.tiers import Tier
from engine.standing import USUAL_TIER

log = logging.getLogger(__name__)

REFRESH_SECONDS = 5.0
MOST_KNOWN = 10_000
AT_ONCE = 500
TOPIC = "budgets"
"""Tells every process that a project has a budget now."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is known of a project: the name of its tier, and whether money is counted."""

    tier: str
    has_budgets: bool


class Projects:
    """Knows the tiers of projects, and who has budgets; without the database, as it was before."""

    def __init__(self, database: Database, tiers: Mapping[str, Tier] | None = None) -> None:
        self._database = database
        self._tiers = {} if tiers is None else tiers
        self._known: LRUCache[str, Terms] = LRUCache(MOST_KNOWN)

    async def tier(self, project_id: str) -> Tier:
        """Returns the tier of a project.

        Raises:
            DatabaseUnavailableError: it was never asked for before, and can not be read now.
        """
        terms = await self._terms(project_id)
        found = self._tiers.get(terms.tier)
        return self._tiers.get(USUAL_TIER, Tier()) if found is None else found

    async def has_budgets(self, project_id: str) -> bool:
        """Tells whether a project or one of its keys has a budget.

        Raises:
            DatabaseUnavailableError: as `tier`.
        """
        return (await self._terms(project_id)).has_budgets

    async def run(self, bus: Bus) -> None:
        """Reads again what is known, until it is cancelled."""
        with bus.watch(TOPIC) as news:
            while True:
                await news.next(REFRESH_SECONDS)
                try:
                    await self.refresh()
                except DatabaseUnavailableError as error:
                    log.warning("the limits of projects were not read: %s", error)

    async def refresh(self) -> None:
        """Reads again what is known.

        Raises:
            DatabaseUnavailableError: some may be what they were before.
        """
        ids = list(self._known)
        for start in range(0, len(ids), AT_ONCE):
            await self._read(ids[start : start + AT_ONCE])

    async def _terms(self, project_id: str) -> Terms:
        known = self._known.get(project_id)
        if known is None:
            await self._read([project_id])
            known = self._known.get(project_id, Terms(USUAL_TIER, has_budgets=False))
        return known

    async def _read(self, ids: Sequence[str]) -> None:
        async with self._database.read() as connection:
            rows = await queries.terms_of(connection, ids)
        self._known.update({row.id: Terms(row.tier, bool(row.has_budgets)) for row in rows})
