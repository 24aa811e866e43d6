"""DocketEngine: chunks over Redis, for any number of processes, by docket (https://github.com/chrisguidry/docket).

Docket keeps a chunk's lease while it runs, hands it on when its process is gone, and knows each by its
key. Redis holds nothing but numbers of chunks, and may forget them all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from datetime import timedelta

from redis.exceptions import RedisError

from engine.jobs.engine import Handler

try:
    from docket import Docket, Worker
except ImportError as error:
    raise ImportError("Jobs over Redis need the extra: pip install 'foretell[cluster]'") from error

log = logging.getLogger(__name__)

TASK = "run_chunk"
CHECK = timedelta(milliseconds=20)
"""How long docket sleeps while every slot is taken; its 250 ms would bound short chunks."""
RECONNECT_SECONDS = 1.0
SPARE_CONNECTIONS = 50
"""redis-py lends 100 at most; a docket that gets none takes it for an outage."""


class DocketEngine:
    """Hands chunks to workers in every process that has the same `url` and `name`.

    `lease_seconds` is how long a process may be silent before its chunks are handed on.
    """

    def __init__(self, url: str, *, slots: int, lease_seconds: float, name: str = "foretell:jobs") -> None:
        joined = "&" if "?" in url else "?"
        self._url = f"{url}{joined}max_connections={slots + SPARE_CONNECTIONS}"
        self._name = name
        self._lease = timedelta(seconds=lease_seconds)
        self._docket: Docket | None = None
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()

    async def offer(self, keys: Iterable[int]) -> None:
        """See `Engine`."""
        wanted = list(keys)
        if not wanted:
            return
        try:
            docket = await self._opened()
            await docket.add_many([docket.call(TASK, key=str(key))(key) for key in wanted])
        except (RedisError, OSError) as error:
            log.warning("%s chunks were not handed out, and will be again: %s", len(wanted), error)

    async def cancel(self, key: int) -> None:
        """See `Engine`."""
        try:
            await (await self._opened()).cancel(str(key))
        except (RedisError, OSError) as error:
            log.warning("chunk %s was not told to stop, and will be by the clock: %s", key, error)

    async def run(self, handler: Handler, slots: int) -> None:
        """See `Engine`."""

        async def run_chunk(key: int) -> None:
            await handler(key)

        while True:
            try:
                docket = await self._opened()
                docket.register(run_chunk, [TASK])
                await self._work(docket, slots)
            except (RedisError, OSError) as error:
                log.warning("no chunks are taken from Redis: %s", error)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def close(self) -> None:
        """See `Engine`."""
        with suppress(RedisError, OSError):
            await self._stack.aclose()

    async def _opened(self) -> Docket:
        async with self._opening:
            if self._docket is None:
                docket = Docket(name=self._name, url=self._url, execution_ttl=timedelta(0))
                self._docket = await self._stack.enter_async_context(docket)
                self._docket.register(_not_here, [TASK])
            return self._docket

    async def _work(self, docket: Docket, slots: int) -> None:
        worker = Worker(
            docket,
            concurrency=slots,
            redelivery_timeout=self._lease,
            reconnection_delay=timedelta(seconds=RECONNECT_SECONDS),
            minimum_check_interval=CHECK,
            schedule_automatic_tasks=False,
        )
        async with worker:
            forever = asyncio.create_task(worker.run_forever())
            try:
                await asyncio.wait([forever])
            finally:
                await _stop(forever)
            forever.result()


async def _stop(forever: asyncio.Task[None]) -> None:
    """Ends a worker and what it runs: the first cancel waits for the handlers, the next cancels them."""
    while not forever.done():
        forever.cancel()
        await asyncio.wait([forever], timeout=0.05)


async def _not_here(key: int) -> None:
    """Stands for the task in a process that hands chunks out and runs none."""
    raise RuntimeError(f"chunk {key} came to a process that runs none")
