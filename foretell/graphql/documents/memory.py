"""A document store in this process: the documents used last, bounded in size."""

from __future__ import annotations

from cachetools import LRUCache

OVERHEAD = 250
"""What an entry takes beside its characters: the hash and the bookkeeping."""


class MemoryDocumentStore:
    """Keeps documents of so many characters together; forgets first what was used longest ago."""

    def __init__(self, *, size: int = 8 * 1024 * 1024) -> None:
        self._documents: LRUCache[str, str] = LRUCache(
            size, getsizeof=lambda document: len(document) + OVERHEAD
        )

    async def get(self, sha256: str) -> str | None:
        """See `DocumentStore`."""
        return self._documents.get(sha256)

    async def put(self, sha256: str, document: str) -> None:
        """See `DocumentStore`; a document larger than the store is not kept."""
        if _size(document) <= self._documents.maxsize:
            self._documents[sha256] = document

    async def close(self) -> None:
        """See `DocumentStore`."""
        self._documents.clear()


def _size(document: str) -> int:
    return len(document) + OVERHEAD
