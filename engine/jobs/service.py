"""Jobs: what a process needs to take jobs in, and, where it has slots for them, to work them off."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass

from db.queries import chunks as queries
from db.session import Database
from engine.bus.base import Bus
from engine.jobs.batches import Batches
from engine.jobs.cleanup import Cleanup
from engine.jobs.control import Control
from engine.jobs.engine import Engine
from engine.jobs.feeder import Feeder
from engine.jobs.upkeep import Upkeep
from engine.jobs.worker import Worker
from engine.limits.budgets import Budgets
from engine.limits.service import Limits
from engine.observer import UNOBSERVED, Observer
from engine.routing.router import Router
from engine.signing import Links
from engine.storage.base import Storage
from engine.uploads import Uploads

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Foundation:
    """What jobs stand on; all of it is opened by somebody else."""

    database: Database
    bus: Bus
    router: Router
    storage: Storage
    engine: Engine
    links: Links
    limits: Limits
    budgets: Budgets
    allowed_hosts: Collection[str] = ()
    """Where webhooks may go although the addresses are private."""
    observer: Observer = UNOBSERVED


@dataclass(frozen=True, slots=True)
class Jobs:
    """What may be asked about jobs."""

    batches: Batches
    control: Control
    uploads: Uploads
    links: Links

    @classmethod
    def on(cls, base: Foundation) -> Jobs:
        """Returns the jobs of a process."""
        return cls(
            Batches(
                base.database,
                base.bus,
                base.router,
                base.storage,
                allowed_hosts=base.allowed_hosts,
            ),
            Control(base.database, base.bus, base.engine),
            Uploads(base.database, base.storage, base.links),
            base.links,
        )


@asynccontextmanager
async def working(base: Foundation, *, slots: int) -> AsyncIterator[Worker]:
    """Works off jobs in this process for as long as the context lasts, and then gives back what is left."""
    worker = Worker(
        base.database, base.bus, base.router, base.storage, base.limits, base.budgets, base.observer
    )
    feeder = Feeder(base.database, base.bus, base.engine, owner=worker.owner, slots=slots)
    upkeep = Upkeep(base.database, base.bus, base.engine, worker)

    async def handle(chunk_id: int) -> None:
        try:
            await worker.handle(chunk_id)
        finally:
            feeder.chunk_ended()

    loops = [
        asyncio.create_task(base.engine.run(handle, slots), name="jobs: engine"),
        asyncio.create_task(feeder.run(), name="jobs: feeder"),
        asyncio.create_task(upkeep.run(), name="jobs: upkeep"),
        asyncio.create_task(Cleanup(base.database, base.storage).run(), name="jobs: cleanup"),
    ]
    try:
        yield worker
    finally:
        for loop in loops:
            loop.cancel()
        for ended in await asyncio.gather(*loops, return_exceptions=True):
            if isinstance(ended, Exception):
                log.error("jobs were not worked off to the end", exc_info=ended)


async def begin_alone(database: Database) -> None:
    """Takes back what was handed out before; for the only process that works with this database."""
    async with database.write() as connection:
        await queries.take_back_all(connection)
