"""RedisBoard: the open circuits of many processes, over a Redis that they share.

They stand in one hash, and every process has a copy of it, which it reads again when the bus tells of
a change, and every second. While Redis is away each process keeps to its copy and changes that.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from engine.bus.base import Bus
from engine.routing.base import Opened

log = logging.getLogger(__name__)

COMMAND_TIMEOUT = 0.5
LOOK_SECONDS = 1.0
KEPT_SECONDS = 24 * 3600
TOPIC = "circuits"


class RedisBoard:
    """Keeps them under `foretell:circuits`, and who tries one under `foretell:probe:…`."""

    def __init__(self, url: str, bus: Bus, *, prefix: str = "foretell") -> None:
        self._redis = Redis.from_url(
            url,
            socket_timeout=COMMAND_TIMEOUT,
            socket_connect_timeout=COMMAND_TIMEOUT,
            max_connections=50,
            decode_responses=True,
        )
        self._bus = bus
        self._prefix = prefix
        self._all = f"{prefix}:circuits"
        self._opened: dict[str, Opened] = {}
        self._changes = 0
        self._writing = 0

    async def run(self) -> None:
        """See `Board`."""
        with self._bus.watch(TOPIC) as news:
            while True:
                await self._read()
                await news.next(LOOK_SECONDS)

    def opened(self, version_id: str) -> Opened | None:
        """See `Board`."""
        return self._opened.get(version_id)

    async def put(self, version_id: str, opened: Opened) -> None:
        """See `Board`."""
        self._opened[version_id] = opened
        with self._change():
            await self._store(version_id, opened)
        self._bus.announce(TOPIC, version_id)

    async def remove(self, version_id: str) -> None:
        """See `Board`."""
        self._opened.pop(version_id, None)
        with self._change():
            await self._forget(version_id)
        self._bus.announce(TOPIC, version_id)

    async def probe(self, version_id: str, seconds: float) -> bool:
        """See `Board`. While Redis is away every caller may."""
        try:
            key = self._probe(version_id)
            return bool(await self._redis.set(key, b"1", nx=True, px=max(1, int(seconds * 1000))))
        except (RedisError, OSError):
            return True

    async def end_probe(self, version_id: str) -> None:
        """See `Board`."""
        try:
            await self._redis.delete(self._probe(version_id))
        except (RedisError, OSError) as error:
            log.warning("a circuit is tried again later than it could be: %s", error)

    async def close(self) -> None:
        """See `Board`."""
        await self._redis.aclose()

    async def _store(self, version_id: str, opened: Opened) -> None:
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.hset(self._all, version_id, orjson.dumps([opened.until, opened.pause]))
                pipeline.expire(self._all, KEPT_SECONDS)
                await pipeline.execute()
        except (RedisError, OSError) as error:
            log.warning("an open circuit is known here only: %s", error)

    async def _forget(self, version_id: str) -> None:
        try:
            await self._redis.hdel(self._all, version_id)
        except (RedisError, OSError) as error:
            log.warning("a closed circuit is known here only: %s", error)

    @contextmanager
    def _change(self) -> Iterator[None]:
        self._changes += 1
        self._writing += 1
        try:
            yield
        finally:
            self._writing -= 1

    async def _read(self) -> None:
        """Reads all of them, unless one is changed here meanwhile: what was read may be older than that."""
        before = self._changes
        try:
            found = await self._redis.hgetall(self._all)
        except (RedisError, OSError) as error:
            log.warning("the circuits of others are not known: %s", error)
            return
        if self._changes == before and not self._writing:
            self._opened = {str(key): Opened(*orjson.loads(value)) for key, value in found.items()}

    def _probe(self, version_id: str) -> str:
        return f"{self._prefix}:probe:{version_id}"
