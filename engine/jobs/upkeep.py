"""Upkeep: finds by the clock what no message told, so that a lost one delays a job but never stops it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from db.errors import DatabaseUnavailableError
from db.queries import chunks as chunk_queries
from db.queries import jobs as queries
from db.session import Database
from db.types import now
from engine.bus.base import Bus
from engine.jobs.endings import end_job, force_end
from engine.jobs.engine import Engine
from engine.jobs.worker import Worker
from engine.values import JobStatus

log = logging.getLogger(__name__)

CANCEL_SECONDS = 1.0
RECONCILE_SECONDS = 5.0
HANGING = timedelta(seconds=10)
"""A chunk that was handed out this long ago is handed out again: it costs nothing if it runs."""
STUCK = timedelta(seconds=15)

EXPIRED = "The completion window passed."


class Upkeep:
    """Loops that any number of processes may turn at once."""

    def __init__(self, database: Database, bus: Bus, engine: Engine, worker: Worker) -> None:
        self._database = database
        self._bus = bus
        self._engine = engine
        self._worker = worker

    async def run(self) -> None:
        """Turns until it is cancelled."""
        async with asyncio.TaskGroup() as loops:
            loops.create_task(_every(CANCEL_SECONDS, self.cancel_running))
            loops.create_task(_every(RECONCILE_SECONDS, self.reconcile))

    async def cancel_running(self) -> None:
        """Cancels what this process runs of jobs that are to end."""
        running = dict(self._worker.jobs)
        if not running:
            return
        async with self._database.read() as connection:
            ending = set(await queries.canceling(connection, list(set(running.values()))))
        for chunk_id, job_id in running.items():
            if job_id in ending:
                await self._engine.cancel(chunk_id)

    async def reconcile(self) -> None:
        """Offers again what hangs, expires jobs whose time is over, and ends those that nobody else will."""
        at = now()
        async with self._database.read() as connection:
            hanging = await chunk_queries.hanging(connection, at - HANGING)
            overdue = await queries.overdue(connection, at)
            stuck = await queries.stuck(connection, at - STUCK)
        await self._engine.offer(hanging)
        for job_id in overdue:
            for chunk_id in (
                await end_job(self._database, self._bus, job_id, JobStatus.EXPIRED, EXPIRED) or ()
            ):
                await self._engine.cancel(chunk_id)
        for job_id in stuck:
            await force_end(self._database, self._bus, job_id)


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except DatabaseUnavailableError as error:
            log.warning("jobs were not looked after: %s", error)
        except Exception:
            log.exception("jobs were not looked after")
