"""A document store of many processes, over a Redis that they share.

While Redis is away no document is found and none is kept, and clients send the text again.
"""

from __future__ import annotations

import logging

from redis.asyncio import Redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

COMMAND_TIMEOUT = 0.2


class RedisDocumentStore:
    """Keeps documents under `foretell:document:…` for so many seconds after their last use."""

    def __init__(self, url: str, *, prefix: str = "foretell", ttl_seconds: int = 30 * 86_400) -> None:
        self._redis = Redis.from_url(
            url, socket_timeout=COMMAND_TIMEOUT, socket_connect_timeout=COMMAND_TIMEOUT, max_connections=200
        )
        self._prefix = prefix
        self._ttl = ttl_seconds

    async def get(self, sha256: str) -> str | None:
        """See `DocumentStore`."""
        try:
            found = await self._redis.getex(self._key(sha256), ex=self._ttl)
        except (RedisError, OSError) as error:
            log.warning("persisted documents can not be read: %s", error)
            return None
        return found.decode() if isinstance(found, bytes) else found

    async def put(self, sha256: str, document: str) -> None:
        """See `DocumentStore`."""
        try:
            await self._redis.set(self._key(sha256), document.encode(), ex=self._ttl)
        except (RedisError, OSError) as error:
            log.warning("persisted documents can not be kept: %s", error)

    async def close(self) -> None:
        """See `DocumentStore`."""
        await self._redis.aclose()

    def _key(self, sha256: str) -> str:
        return f"{self._prefix}:document:{sha256}"
