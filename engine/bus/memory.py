"""MemoryBus: the bus of one process, with nothing to install."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing
from typing import Any

from engine.backends.base import Token
from engine.bus.base import NOTHING, BusState
from engine.bus.local import KEPT_PIECES, LocalStream, LocalTopics, LocalWatcher
from engine.events import Piece, StreamEvent

KEPT_SECONDS = 300.0


class MemoryBus:
    """Keeps a stream until some minutes after its end; later readers ask the database."""

    def __init__(self, *, kept_pieces: int = KEPT_PIECES, kept_seconds: float = KEPT_SECONDS) -> None:
        self._kept_pieces = kept_pieces
        self._kept_seconds = kept_seconds
        self._streams: dict[str, LocalStream] = {}
        self._topics = LocalTopics()

    async def open(self) -> None:
        """Listens already."""

    def begin(self, stream: str) -> None:
        """See `Bus`."""
        self._stream(stream)

    def append(self, stream: str, tokens: Sequence[Token]) -> int:
        """See `Bus`."""
        local = self._stream(stream)
        local.add(joined(local.last + 1, tokens))
        return local.last

    def is_followed(self, stream: str) -> bool:
        """See `Bus`."""
        local = self._streams.get(stream)
        return local is not None and local.is_followed

    def end(self, stream: str, shared: Mapping[Any, Any] = NOTHING) -> int:
        """See `Bus`."""
        local = self._stream(stream)
        local.finish(shared)
        asyncio.get_running_loop().call_later(self._kept_seconds, self._streams.pop, stream, None)
        return local.last + 1

    def leave(self, stream: str) -> None:
        """See `Bus`."""
        let_go_of(self._streams, stream)

    async def follow(self, stream: str, after: int) -> AsyncGenerator[StreamEvent, None]:
        """See `Bus`."""
        local = self._streams.get(stream)
        if local is None:
            return
        async with aclosing(local.follow(after)) as events:
            async for event in events:
                yield event

    def abandon(self, stream: str) -> None:
        """See `Bus`."""
        local = self._streams.get(stream)
        if local is not None:
            local.abandon()

    def announce(self, topic: str, message: Any) -> None:
        """See `Bus`."""
        self._topics.tell(topic, message)

    def watch(self, topic: str) -> AbstractContextManager[LocalWatcher]:
        """See `Bus`."""
        return self._topics.watch(topic)

    def state(self) -> BusState:
        """See `Bus`; there is nothing that could be wrong."""
        return BusState()

    async def close(self) -> None:
        """See `Bus`."""
        for local in self._streams.values():
            local.abandon()

    def _stream(self, stream: str) -> LocalStream:
        return self._streams.setdefault(stream, LocalStream(self._kept_pieces))


def let_go_of(streams: dict[str, LocalStream], stream: str) -> None:
    """Forgets a stream to which nothing was written, and sends its readers elsewhere."""
    local = streams.get(stream)
    if local is not None and not local.last and not local.ended:
        del streams[stream]
        local.abandon()


def joined(sequence: int, tokens: Sequence[Token]) -> Piece:
    """Returns tokens as one piece; a joined piece has no logprob of its own."""
    if len(tokens) == 1:
        return Piece(sequence, tokens[0].text, tokens[0].logprob)
    return Piece(sequence, "".join(token.text for token in tokens))
