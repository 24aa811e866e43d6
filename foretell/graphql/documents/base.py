"""The interface of a document store."""

from __future__ import annotations

from typing import Protocol


class DocumentStore(Protocol):
    """Documents by their SHA-256, as 64 lower-case hex digits. It may forget: the client sends it again."""

    async def get(self, sha256: str) -> str | None:
        """Return the document; None when it is not, or no longer, there."""

    async def put(self, sha256: str, document: str) -> None:
        """Keep the document, whose hash the caller has checked."""

    async def close(self) -> None:
        """Let go of everything."""
