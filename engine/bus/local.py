"""Streams and topics within one process: every reader keeps its own place, and nothing is copied."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from engine.bus.base import NOTHING
from engine.events import End, Piece, Snapshot, StreamEvent

KEPT_PIECES = 4096
LOOK_SECONDS = 2.5


class LocalStream:
    """A stream's last pieces and its whole text. Readers wait for what comes next; none holds a queue.

    While nothing comes, one reader at a time is sent to look whether the stream is over, the one that waits
    longest: one timer and one question, however many wait.
    """

    def __init__(self, kept: int = KEPT_PIECES) -> None:
        self.last = 0
        self._end: End | None = None
        self.abandoned = False
        self._texts: list[str] = []
        self._pieces: deque[Piece] = deque(maxlen=kept)
        self._readers = 0
        self._waiting: list[asyncio.Future[bool]] = []
        self._is_quiet = False
        self._look: asyncio.TimerHandle | None = None

    @property
    def is_followed(self) -> bool:
        """Whether somebody reads it now."""
        return self._readers > 0

    @property
    def ended(self) -> bool:
        """Whether nothing comes any more."""
        return self._end is not None

    def add(self, piece: Piece) -> None:
        """Appends the piece that comes next."""
        assert piece.sequence == self.last + 1
        self._pieces.append(piece)
        self._texts.append(piece.text)
        self.last = piece.sequence
        self._wake()

    def replace(self, snapshot: Snapshot) -> None:
        """Jumps ahead to a snapshot: the pieces up to it are not known here."""
        self._pieces.clear()
        self._texts, self.last = [snapshot.text], snapshot.sequence
        self._wake()

    def finish(self, shared: Mapping[Any, Any] = NOTHING) -> None:
        """Ends the stream; `shared` is of the `End`."""
        self._end = self._end or End(self.last + 1, dict(shared))
        self._wake()

    def abandon(self) -> None:
        """Lets every reader go, without an end: this process hears no more of the stream."""
        self.abandoned = True
        self._wake()

    async def follow(self, after: int) -> AsyncGenerator[StreamEvent, None]:
        """Yields what comes after a number, up to and with the end, or until this reader is to look."""
        self._readers += 1
        try:
            while True:
                while after < self.last:
                    event = self._next(after)
                    after = event.sequence
                    yield event
                if self.abandoned:
                    return
                if self._end is not None:
                    yield self._end
                    return
                if not await self._news():
                    return
        finally:
            self._readers -= 1

    def _next(self, after: int) -> Piece | Snapshot:
        first = self._pieces[0].sequence if self._pieces else self.last + 1
        if after + 1 < first:
            return Snapshot(self.last, "".join(self._texts))
        return self._pieces[after + 1 - first]

    def _news(self) -> asyncio.Future[bool]:
        """Returns what is done when something comes, with False for the one that is to look."""
        loop = asyncio.get_running_loop()
        news = loop.create_future()
        self._waiting.append(news)
        if self._look is None:
            self._look = loop.call_later(LOOK_SECONDS, self._send_one)
        return news

    def _wake(self) -> None:
        """Wakes every reader at once; those that come later wait for the next change."""
        waiting, self._waiting = self._waiting, []
        self._is_quiet = False
        for news in waiting:
            if not news.done():
                news.set_result(True)

    def _send_one(self) -> None:
        """Lets a reader go and look, if nothing has come since the last time."""
        self._look = None
        self._waiting = [news for news in self._waiting if not news.done()]
        if not self._waiting:
            return
        if self._is_quiet:
            self._waiting.pop(0).set_result(False)
        self._is_quiet = True
        self._look = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._send_one)


class LocalTopics:
    """The latest message of each topic that somebody in this process watches."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[LocalWatcher]] = {}

    def tell(self, topic: str, message: Any) -> None:
        """Hands a message to the watchers of its topic, in place of one they have not taken yet."""
        for watcher in self._watchers.get(topic, ()):
            watcher.put(message)

    @contextmanager
    def watch(self, topic: str) -> Iterator[LocalWatcher]:
        """Watches a topic for as long as the context lasts."""
        watcher = LocalWatcher()
        watchers = self._watchers.setdefault(topic, set())
        watchers.add(watcher)
        try:
            yield watcher
        finally:
            watchers.discard(watcher)
            if not watchers and self._watchers.get(topic) is watchers:
                del self._watchers[topic]


class LocalWatcher:
    """Room for one message."""

    def __init__(self) -> None:
        self._latest: Any = None
        self._arrived = asyncio.Event()

    def put(self, message: Any) -> None:
        """Puts a message in the place of the one before it."""
        self._latest = message
        self._arrived.set()

    async def next(self, seconds: float) -> Any:
        """See `Watcher`."""
        try:
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        except TimeoutError:
            return None
        self._arrived.clear()
        return self._latest
