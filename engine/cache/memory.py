"""MemoryCache: the answers of one process, the ones used last, for a limited time."""

from __future__ import annotations

import asyncio

import orjson
from cachetools import TTLCache

from engine.cache.base import CachedAnswer

MAX_ANSWER_BYTES = 1024 * 1024


class MemoryCache:
    """Keeps at most so many bytes of answers for so many seconds."""

    def __init__(self, *, max_bytes: int = 64 * 1024 * 1024, ttl_seconds: float = 3600.0) -> None:
        self._answers: TTLCache[str, bytes] = TTLCache(max_bytes, ttl_seconds, getsizeof=len)
        self._leaders: dict[str, asyncio.Future[CachedAnswer | None]] = {}

    async def get(self, key: str) -> CachedAnswer | None:
        """See `Cache`."""
        found = self._answers.get(key)
        return None if found is None else orjson.loads(found)

    async def put(self, key: str, answer: CachedAnswer) -> None:
        """See `Cache`."""
        encoded = orjson.dumps(answer)
        if len(encoded) <= MAX_ANSWER_BYTES:
            self._answers[key] = encoded
        self._settle(key, answer)

    async def lead(self, key: str) -> bool:
        """See `Cache`."""
        if key in self._leaders:
            return False
        self._leaders[key] = asyncio.get_running_loop().create_future()
        return True

    async def give_up(self, key: str) -> None:
        """See `Cache`."""
        self._settle(key, None)

    async def wait(self, key: str, seconds: float) -> CachedAnswer | None:
        """See `Cache`."""
        leader = self._leaders.get(key)
        if leader is None:
            return await self.get(key)
        await asyncio.wait([leader], timeout=seconds)
        return leader.result() if leader.done() else None

    async def close(self) -> None:
        """See `Cache`."""
        for key in list(self._leaders):
            self._settle(key, None)
        self._answers.clear()

    def _settle(self, key: str, answer: CachedAnswer | None) -> None:
        leader = self._leaders.pop(key, None)
        if leader is not None and not leader.done():
            leader.set_result(answer)
