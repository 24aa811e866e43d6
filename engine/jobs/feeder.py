"""Feeder: decides what runs next, and hands it to the engine a window at a time.

The project of which the fewest chunks are handed out comes first, then the job of the lowest priority
number, then the oldest. The window keeps that decision late: a job of a million items delays others by
as many chunks as fit into it.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections import Counter, deque
from collections.abc import Iterable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from db.errors import DatabaseUnavailableError
from db.queries import chunks as queries
from db.queries.chunks import Candidate, Offered
from db.session import Database
from db.types import now
from engine.bus.base import Bus
from engine.jobs.engine import Engine

log = logging.getLogger(__name__)

WINDOW = 3
"""How many chunks are handed out for each slot of a worker."""
TICK_SECONDS = 1.0
LISTEN_SECONDS = 60.0
TOPIC = "jobs"
"""Tells every feeder that there may be something to hand out."""


class Feeder:
    """Keeps the slots of one worker busy. Any number may work beside one another."""

    def __init__(self, database: Database, bus: Bus, engine: Engine, *, owner: str, slots: int) -> None:
        self._database = database
        self._bus = bus
        self._engine = engine
        self._owner = owner
        self._window = WINDOW * slots
        self._handed_out = 0
        self._ended = 0
        self._news = asyncio.Event()

    def chunk_ended(self) -> None:
        """Notes that there is room for another chunk; when half of them have ended it hands out others.

        That is half the window, or half of the fewer that jobs let it hand out at once.
        """
        self._ended += 1
        if self.is_due:
            self._news.set()

    @property
    def is_due(self) -> bool:
        """Whether so many chunks have ended that it is time to hand out others."""
        return self._ended >= max(1, self._handed_out // 2)

    async def run(self) -> None:
        """Feeds when there is news, and each second for what came to its time, until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            while True:
                try:
                    await self.feed()
                except DatabaseUnavailableError as error:
                    log.warning("nothing was handed out: %s", error)
                except Exception:
                    log.exception("nothing was handed out")
                try:
                    async with asyncio.timeout(TICK_SECONDS):
                        await self._news.wait()
                except TimeoutError:
                    continue

    async def feed(self) -> None:
        """Hands out what there is room for.

        Raises:
            DatabaseUnavailableError: nothing was handed out.
        """
        self._news.clear()
        is_busy, self._ended = self._ended > 0, 0
        if not is_busy and not await self._is_anything_waiting():
            return  # without a transaction each second
        async with self._database.write(patient=True) as connection:
            await queries.one_feeder(connection)
            keys = await self._hand_out(connection)
        await self._engine.offer(keys)

    async def _is_anything_waiting(self) -> bool:
        async with self._database.read() as connection:
            return bool(await queries.candidates(connection, now(), limit=1))

    async def _hand_out(self, connection: AsyncConnection) -> list[int]:
        at = now()
        offered = await queries.offered(connection)
        mine = sum(each.chunks for each in offered if each.feeder == self._owner)
        room = self._window - mine
        waiting = await queries.candidates(connection, at) if room > 0 else []
        keys: list[int] = []
        while room > len(keys) and waiting:
            turns = choose(waiting, offered, room - len(keys))
            exhausted = set()
            for job_id, number in turns.items():
                handed = await queries.offer(connection, job_id, number, self._owner, at)
                keys += handed
                if len(handed) < number:
                    exhausted.add(job_id)
            if not exhausted:
                break
            waiting = [job for job in waiting if job.job_id not in exhausted]
            offered = await queries.offered(connection)
        self._handed_out = mine + len(keys)
        return keys

    async def _listen(self) -> None:
        with self._bus.watch(TOPIC) as news:
            while True:
                if await news.next(LISTEN_SECONDS) is not None:
                    self._news.set()


def choose(candidates: Iterable[Candidate], offered: Sequence[Offered], room: int) -> dict[str, int]:
    """Returns how many chunks of which jobs to hand out, at most `room` together.

    `candidates` are in the order in which a project's own jobs have their turns. A job may turn out to
    have fewer chunks than that.
    """
    of_job = Counter[str]()
    for each in offered:
        of_job[each.job_id] += each.chunks
    waiting: dict[str, deque[Candidate]] = {}
    for candidate in candidates:
        waiting.setdefault(candidate.project_id, deque()).append(candidate)
    of_project = dict.fromkeys(waiting, 0)
    for each in offered:
        if each.project_id in of_project:
            of_project[each.project_id] += each.chunks
    turns = [(handed, project_id) for project_id, handed in of_project.items()]
    heapq.heapify(turns)
    chosen: dict[str, int] = {}
    while turns and room > 0:
        handed, project_id = heapq.heappop(turns)
        job = waiting[project_id][0]
        mine = of_job[job.job_id] + chosen.get(job.job_id, 0)
        if job.max_chunks is not None and mine >= job.max_chunks:
            waiting[project_id].popleft()
        else:
            chosen[job.job_id] = chosen.get(job.job_id, 0) + 1
            room -= 1
            handed += 1
        if waiting[project_id]:
            heapq.heappush(turns, (handed, project_id))
    return chosen
