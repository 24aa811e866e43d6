"""Retention: inputs, outputs and explanations are purged when they are old enough; usage is kept.

In small batches with a pause after each, so that predictions hardly wait for it. Every process
sweeps: a batch that two of them purge is purged.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

from db.errors import DatabaseUnavailableError
from db.queries import retention as queries
from db.session import Database
from db.tables import ProjectRow
from db.types import now

log = logging.getLogger(__name__)

BATCH = 200
PAUSE_SECONDS = 0.05
SWEEP_SECONDS = 300.0
FOREVER = 0


class Retention:
    """Purges what is older than its project, or else the setting, says; None and 0 days are for ever."""

    def __init__(self, database: Database, days: int | None) -> None:
        self._database = database
        self._days = days

    async def run(self) -> None:
        """Sweeps every five minutes, until it is cancelled."""
        while True:
            try:
                await self.sweep()
            except DatabaseUnavailableError as error:
                log.warning("old inputs and outputs were not purged: %s", error)
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self) -> int:
        """Purges everything that is old enough and returns how many predictions that were.

        Raises:
            DatabaseUnavailableError: some are not purged yet; the next sweep goes on there.
        """
        async with self._database.read() as connection:
            projects = await queries.projects_to_sweep(connection)
        return sum([await self._sweep(project) for project in projects])

    async def _sweep(self, project: ProjectRow) -> int:
        days = self._days if project.retention_days is None else project.retention_days
        if days is None or days == FOREVER:
            return 0
        until = now() - timedelta(days=days)
        purged = 0
        place: tuple[datetime, str] | None = None
        while True:
            async with self._database.read() as connection:
                rows = await queries.old(connection, project, until, place, BATCH)
            if not rows:
                return purged
            is_last = len(rows) < BATCH
            place = rows[-1].finished_at, rows[-1].id
            async with self._database.write() as connection:
                await queries.purge(connection, [row.id for row in rows])
                await queries.note_purged(connection, project.id, until if is_last else place[0])
            purged += len(rows)
            if is_last:
                return purged
            await asyncio.sleep(PAUSE_SECONDS)
