"""RedisCache: the answers of many processes, over a Redis that they share.

Followers of a leader look every 50 ms; a leader that dies is forgotten after its lease. While Redis
is away nothing is found and nothing is kept, and every caller leads; a Redis that hangs is left alone for
a second after each time-out, or every prediction would wait for several of them.
"""

from __future__ import annotations

import asyncio
import logging
import time

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from engine.cache.base import CachedAnswer
from engine.cache.memory import MAX_ANSWER_BYTES

log = logging.getLogger(__name__)

LEAD_SECONDS = 30
LOOK_SECONDS = 0.05
COMMAND_TIMEOUT = 0.2
REST_SECONDS = 1.0


class RedisCache:
    """Keeps answers under `foretell:cache:…` for so many seconds."""

    def __init__(self, url: str, *, prefix: str = "foretell", ttl_seconds: float = 3600.0) -> None:
        self._redis = Redis.from_url(
            url, socket_timeout=COMMAND_TIMEOUT, socket_connect_timeout=COMMAND_TIMEOUT, max_connections=200
        )
        self._prefix = prefix
        self._ttl = max(1, int(ttl_seconds))
        self._rests_until = 0.0

    async def get(self, key: str) -> CachedAnswer | None:
        """See `Cache`."""
        if self._is_resting:
            return None
        try:
            found = await self._redis.get(self._answer(key))
        except (RedisError, OSError) as error:
            self._rest(error)
            return None
        return None if found is None else orjson.loads(found)

    async def put(self, key: str, answer: CachedAnswer) -> None:
        """See `Cache`."""
        if self._is_resting:
            return
        encoded = orjson.dumps(answer)
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                if len(encoded) <= MAX_ANSWER_BYTES:
                    pipeline.set(self._answer(key), encoded, ex=self._ttl)
                pipeline.delete(self._leader(key))
                await pipeline.execute()
        except (RedisError, OSError) as error:
            self._rest(error)

    async def lead(self, key: str) -> bool:
        """See `Cache`."""
        if self._is_resting:
            return True
        try:
            return bool(await self._redis.set(self._leader(key), b"1", nx=True, ex=LEAD_SECONDS))
        except (RedisError, OSError) as error:
            self._rest(error)
            return True

    async def give_up(self, key: str) -> None:
        """See `Cache`."""
        if self._is_resting:
            return
        try:
            await self._redis.delete(self._leader(key))
        except (RedisError, OSError) as error:
            self._rest(error)

    async def wait(self, key: str, seconds: float) -> CachedAnswer | None:
        """See `Cache`."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                answer, leader = await self._redis.mget(self._answer(key), self._leader(key))
            except (RedisError, OSError) as error:
                self._rest(error)
                return None
            if answer is not None:
                return orjson.loads(answer)  # type: ignore[no-any-return]
            if leader is None:
                return None
            await asyncio.sleep(LOOK_SECONDS)
        return None

    async def close(self) -> None:
        """See `Cache`."""
        await self._redis.aclose()

    @property
    def _is_resting(self) -> bool:
        return time.monotonic() < self._rests_until

    def _rest(self, error: Exception) -> None:
        if not self._is_resting:
            log.warning("the cache is left alone for a moment: %s", error)
        self._rests_until = time.monotonic() + REST_SECONDS

    def _answer(self, key: str) -> str:
        return f"{self._prefix}:cache:{key}"

    def _leader(self, key: str) -> str:
        return f"{self._prefix}:lead:{key}"
