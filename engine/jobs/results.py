"""Results: what came of a chunk goes into one transaction: its state, its items, its job's counts."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from db.errors import DatabaseUnavailableError
from db.queries import chunks as queries
from db.queries import items as item_queries
from db.queries import jobs as job_queries
from db.session import Database
from db.tables import ChunkRow, JobRow
from db.types import now
from engine.bus.base import Bus
from engine.jobs.chunk import Chunk
from engine.jobs.endings import close_chunks
from engine.jobs.rows import Stored, common_columns, cost_together, stored, tallies
from engine.limits.budgets import Budgets
from engine.observer import UNOBSERVED, Observer
from engine.routing.callers import Callers
from engine.usage import ledger
from engine.values import JobStatus

log = logging.getLogger(__name__)

STORE_TRIES = 5
PART_ITEMS = 100
"""Items that are stored at once while others write, who wait for them."""
RATE_SECONDS = 2.0


class Results:
    """Stores chunks one after the other: other writers of this process wait for one of them at most."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        budgets: Budgets,
        callers: Callers,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._callers = callers
        self._database = database
        self._budgets = budgets
        self._observer = observer
        self._bus = bus
        self._turn = asyncio.Lock()

    async def store(self, chunk: Chunk) -> None:
        """Stores a chunk's results if it is still this worker's, and tells the watchers of its job.

        A database that stays away leaves the chunk as it is: it will be offered again.
        """
        is_mine = True
        while is_mine:
            # What was reserved for a chunk is settled with what all of it did cost.
            in_parts = self._database.is_awaited and not chunk.is_budgeted
            await self._callers.go_first()
            what = await asyncio.to_thread(stored, chunk, PART_ITEMS if in_parts else None)
            is_mine = await self._store_part(chunk, what)
            if not chunk.has_ended:
                return

    async def _store_part(self, chunk: Chunk, what: Stored) -> bool:
        """Stores some items of a chunk, the last of them with its end; returns whether that could be."""
        for tried in range(STORE_TRIES):
            try:
                async with self._turn:
                    await self._callers.go_first()
                    async with self._database.write(patient=True) as connection:
                        job = await _store(connection, chunk, what, self._budgets)
                break
            except DatabaseUnavailableError:
                await asyncio.sleep(0.1 * 2**tried)
        else:
            log.error("chunk %s could not be stored; it will run again", chunk.row.id)
            return False
        if job is None:
            return False
        for name, found in tallies(chunk, what.sums).items():
            self._observer.items_ended(name, found)
        self._bus.announce(f"job:{job.id}", job.sequence + what.count)
        return True

    async def give_back(self, row: ChunkRow, wait_seconds: float) -> None:
        """Makes a chunk that could not run pending again, after a while; one of a job that ends, canceled."""
        not_before = now() + timedelta(seconds=wait_seconds)
        async with self._database.write(patient=True) as connection:
            job = await job_queries.lock(connection, row.job_id)
            if job.status != JobStatus.CANCELING:
                await queries.hand_back(connection, row, not_before)
                return
            if await queries.finish(connection, row, "canceled"):
                changes = {"canceled": job.canceled + row.items_left}
                await close_chunks(connection, job, 1, changes, now(), job.ends_as)
        self._bus.announce(f"job:{job.id}", job.sequence)


async def _store(connection: AsyncConnection, chunk: Chunk, what: Stored, budgets: Budgets) -> JobRow | None:
    """Returns the job as it was before, None where the chunk was not the caller's to end."""
    job = await job_queries.lock(connection, chunk.job.id)
    goes_on = chunk.has_ended or (bool(chunk.left) and job.status != JobStatus.CANCELING)
    if chunk.has_ended:
        is_mine = await queries.keep(connection, chunk.row, chunk.tries)
    elif goes_on:
        is_mine = await queries.give_back(connection, chunk.row, chunk.tries, chunk.not_before)
    else:
        is_mine = await queries.finish(connection, chunk.row, "canceled" if chunk.left else "done")
    if not is_mine:
        return None
    if what.count:  # what goes with a result goes in here
        await item_queries.add(connection, common_columns(chunk), what.alike, job.sequence)
        await ledger.record_items(connection, job, what.sums)
    if chunk.is_budgeted:
        await budgets.settle(connection, chunk.holder, cost_together(what.sums))
    at = now()
    changes = _counts(what, job, canceled=0 if goes_on else len(chunk.left)) | _rate(job, what.count, at)
    if goes_on and chunk.is_throttled:
        changes["not_before"] = chunk.not_before
    await close_chunks(connection, job, 0 if goes_on else 1, changes, at, job.ends_as)
    return job


def _counts(what: Stored, job: JobRow, *, canceled: int) -> dict[str, Any]:
    return {
        "sequence": job.sequence + what.count,
        "succeeded": job.succeeded + what.count - what.failed,
        "failed": job.failed + what.failed,
        "canceled": job.canceled + canceled,
    }


def _rate(job: JobRow, ended: int, at: datetime) -> dict[str, Any]:
    """Reckons every two seconds how many items end in a second, half of it what it was before."""
    since = job.rate_at or job.created_at
    seconds = (at - since).total_seconds()
    if seconds < RATE_SECONDS:
        return {}
    latest = (job.sequence + ended - job.rate_sequence) / seconds
    rate = latest if job.rate is None else (job.rate + latest) / 2
    return {"rate": rate, "rate_at": at, "rate_sequence": job.sequence + ended}
