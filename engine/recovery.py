"""Recovery: keeps the leases of this process, and takes over predictions whose owner has gone."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from db.errors import DatabaseUnavailableError
from db.queries import predictions as queries
from db.session import Database
from db.tables import PredictionRow
from engine.errors import ModelNotReadyError
from engine.predict import Predictor
from engine.runs import Runs

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
PAGE = 100


class Recovery:
    """A loop that turns three times in a lease, so that a live owner never loses one."""

    def __init__(self, database: Database, predictor: Predictor, runs: Runs, *, lease_seconds: float) -> None:
        self._database = database
        self._predictor = predictor
        self._runs = runs
        self._interval = lease_seconds / 3

    async def run(self) -> None:
        """Turns until it is cancelled; a database that is away for a while only delays it."""
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self._runs.clock.agree()
                await self._runs.renew_leases()
                await self.take_over()
            except DatabaseUnavailableError as error:
                log.warning("leases were not renewed: %s", error)
            except Exception:
                # This loop is what keeps every lease: it may not end before its process does.
                log.exception("recovery stumbled, and goes on")

    async def take_over(self) -> int:
        """Takes over what was abandoned, unless this process is ending, and returns how many there were.

        Raises:
            DatabaseUnavailableError: some were not looked at.
        """
        count, last = 0, None
        while not self._runs.is_ending:
            async with self._database.read() as connection:
                rows = await queries.abandoned(connection, self._runs.clock.now(), last, PAGE)
            for row in rows:
                await self._take_over(row)
            count += len(rows)
            if len(rows) < PAGE:
                break
            last = rows[-1]
        return count

    async def _take_over(self, row: PredictionRow) -> None:
        try:
            await self._predictor.resume(row, max_attempts=MAX_ATTEMPTS)
        except ModelNotReadyError as error:
            log.info("prediction %s waits for its model: %s", row.id, error)

    async def take_over_everything(self) -> int:
        """The same at the start of a process that is alone with the database: every owner is gone."""
        async with self._database.write() as connection:
            await queries.expire_leases(connection, self._runs.clock.now() - timedelta(seconds=1))
        return await self.take_over()
