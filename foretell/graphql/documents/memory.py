"""A document store in this process: the documents used last, bounded in number and size."""

from __future__ import annotations

from collections import OrderedDict


class MemoryDocumentStore:
    """Keeps at most `documents` documents and `size` characters; forgets first what was used longest ago."""

    def __init__(self, *, documents: int = 5_000, size: int = 8 * 1024 * 1024) -> None:
        self.documents = documents
        self.size = size
        self._held = 0
        self._documents: OrderedDict[str, str] = OrderedDict()

    async def get(self, sha256: str) -> str | None:
        """Return the document and count it as used."""
        document = self._documents.get(sha256)
        if document is not None:
            self._documents.move_to_end(sha256)
        return document

    async def put(self, sha256: str, document: str) -> None:
        """Keep the document, and drop as many others as its size needs."""
        self._held += len(document) - len(self._documents.pop(sha256, ""))
        self._documents[sha256] = document
        while self._held > self.size or len(self._documents) > self.documents:
            self._held -= len(self._documents.popitem(last=False)[1])
