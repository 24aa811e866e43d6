"""Breaking an installation part after part, each time while its job is at work."""

from __future__ import annotations

import asyncio

from db.session import Database
from tests.faults.servers import OwnServer
from tests.system.batches import Held, held, progress
from tests.system.fleet import START_SECONDS, Fleet, Member
from tests.system.processes import eventually

AWAY_SECONDS = 1.0
SETTLE_SECONDS = 0.5
"""After so long the database has done what a frozen process had asked of it."""


class Breaker:
    """Kills parts and starts them again. The database is theirs, and has one job of so many items."""

    def __init__(self, whole: Fleet, database: Database, items: int) -> None:
        self.cut: list[Held] = []
        """A chunk that each killed worker held."""
        self._whole = whole
        self._database = database
        self._items = items
        self._names: dict[int, str] = {}
        self._known: set[str] = set()

    async def employ(self, worker: Member) -> None:
        """Starts a worker, and waits for the first chunk that it holds: so its name there is known."""
        await worker.start()

        async def is_known() -> bool:
            await self._so_far()
            new = {chunk.owner for chunk in await held(self._database)} - self._known
            if new:
                (self._names[worker.port],) = new
                self._known |= new
            return bool(new)

        await eventually(is_known, START_SECONDS)

    async def break_everything(self) -> None:
        """Kills each part and starts it again, one after the other; then tells one of each kind to end."""
        apis, workers = self._whole.apis, self._whole.workers
        for worker in workers:
            await self._kill_at_work(worker)
            await self.employ(worker)
        for server in (self._whole.redis, self._whole.postgres):
            await self._until_at_work()
            await self._crash(server)
        for api in apis:
            await self._until_at_work()
            await api.kill()
            await api.start()
        await self._until_at_work()
        await asyncio.gather(*(part.stop() for part in (apis[1], workers[1])))
        await asyncio.gather(*(part.start() for part in (apis[1], workers[1])))
        await self._until_at_work()

    async def _until_at_work(self) -> None:
        """Waits until the job gets on."""
        before = await self._so_far()

        async def gets_on() -> bool:
            return await self._so_far() > before

        await eventually(gets_on, START_SECONDS)

    async def _so_far(self) -> int:
        ended = await progress(self._database)
        assert ended < self._items, "the job ended before everything was broken: it needs more items"
        return ended

    async def _kill_at_work(self, worker: Member) -> None:
        """Kills a worker that holds a chunk: frozen, it can not end one between the look and the kill."""

        async def holds() -> bool:
            await self._so_far()
            return await self._held_by(worker) is not None

        while True:
            await eventually(holds, START_SECONDS)
            worker.freeze()
            await asyncio.sleep(SETTLE_SECONDS)
            if chunk := await self._held_by(worker):
                self.cut.append(chunk)
                return await worker.kill()
            worker.thaw()

    async def _held_by(self, worker: Member) -> Held | None:
        mine = (each for each in await held(self._database) if each.owner == self._names[worker.port])
        return next(mine, None)

    async def _crash(self, server: OwnServer) -> None:
        await server.kill()
        await asyncio.sleep(AWAY_SECONDS)
        await server.start()
