"""Recovery: keeps the leases of this process, and takes over predictions whose owner has gone."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from db.errors import DatabaseUnavailableError
from db.queries import predictions as queries
from db.session import Database
from db.types import now
from engine.errors import ModelNotReadyError
from engine.predict import Predictor
from engine.runs import Runs

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3


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
                await self._runs.renew_leases()
                await self.take_over()
            except DatabaseUnavailableError as error:
                log.warning("leases were not renewed: %s", error)

    async def take_over(self) -> int:
        """Takes over what was abandoned and returns how many there were.

        Raises:
            DatabaseUnavailableError: some were not looked at.
        """
        async with self._database.read() as connection:
            rows = await queries.abandoned(connection, now())
        for row in rows:
            try:
                await self._predictor.resume(row, max_attempts=MAX_ATTEMPTS)
            except ModelNotReadyError:
                log.info("prediction %s waits for its model", row.id)
        return len(rows)

    async def take_over_everything(self) -> int:
        """The same at the start of a process that is alone with the database: every owner is gone."""
        async with self._database.write() as connection:
            await queries.expire_leases(connection, now() - timedelta(seconds=1))
        return await self.take_over()
