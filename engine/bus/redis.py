"""RedisBus: the bus of many processes, over Redis Streams (https://redis.io/docs/latest/develop/data-types/streams/).

Each text stream is a Redis Stream of its own, for replay, beside its whole text. Everything is also
put on one Stream that each process reads once and hands on to all its followers and watchers: a
thousand readers cost one read. The writer numbers its pieces, a script appends each at most once, so
sending again after a fault does no harm. While Redis is away what happens in a process is still heard
in that process, and sent to the others when Redis is back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing, suppress
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from db.types import new_id
from engine.backends.base import Token
from engine.bus.base import NOTHING, BusState
from engine.bus.local import KEPT_PIECES, LocalStream, LocalTopics, LocalWatcher
from engine.bus.memory import KEPT_SECONDS, joined, let_go_of
from engine.events import Piece, Snapshot, StreamEvent

log = logging.getLogger(__name__)

KEPT_MESSAGES = 100_000
READ_AT_ONCE = 500
READ_BLOCK_MS = 2_000
COMMAND_TIMEOUT = 1.0
MOST_UNSENT = 100_000

# KEYS: the stream, its text, everything. ARGV: id, number (0: whatever comes next), text, logprob, how many
# pieces to keep, how many messages to keep, seconds to live, "1" for the end, origin. Appends at most once.
APPEND = """
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local number = tonumber(ARGV[2])
local previous = 0
if last then
  previous = tonumber(string.match(last[1], '-(%d+)$'))
  if last[2][1] == 'end' then return previous end
end
if number == 0 then number = previous + 1 end
if number <= previous then return number end
local kind = 'text'
if ARGV[8] == '1' then kind = 'end' end
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[5], '0-' .. number, kind, ARGV[3], 'logprob', ARGV[4])
redis.call('APPEND', KEYS[2], ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[7])
redis.call('EXPIRE', KEYS[2], ARGV[7])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[6], '*',
  'stream', ARGV[1], 'number', number, kind, ARGV[3], 'logprob', ARGV[4], 'origin', ARGV[9])
return number
"""


class RedisBus:
    """Carries streams and topics between processes that share a Redis."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "foretell",
        kept_pieces: int = KEPT_PIECES,
        kept_seconds: float = KEPT_SECONDS,
    ) -> None:
        self._commands = Redis.from_url(url, socket_timeout=COMMAND_TIMEOUT, socket_connect_timeout=1.0)
        # The read blocks for two seconds, so its socket must wait longer than that.
        self._reads = Redis.from_url(url, socket_timeout=READ_BLOCK_MS / 1000 + 3, socket_connect_timeout=1.0)
        self._append_script = self._commands.register_script(APPEND)
        self._prefix = prefix
        self._everything = f"{prefix}:events"
        self._kept_pieces = kept_pieces
        self._kept_seconds = kept_seconds
        self._origin = new_id()
        self._own: dict[str, LocalStream] = {}
        self._mirrors: dict[str, _Mirror] = {}
        self._topics = LocalTopics()
        self._unsent: deque[_Message] = deque(maxlen=MOST_UNSENT)
        self._to_send = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False
        self._problem: str | None = None
        self._lag_seconds = 0.0

    async def open(self) -> None:
        """Starts the reader and the sender; Redis need not be there yet.

        What others say from now on is heard, if it is there.
        """
        place: bytes | None = None
        with suppress(RedisError, OSError):
            place = await self._newest()
        self._tasks = [
            asyncio.create_task(self._read(place), name="bus reader"),
            asyncio.create_task(self._send(), name="bus sender"),
        ]

    def begin(self, stream: str) -> None:
        """See `Bus`; the readers in other processes ask for it until it is there."""
        self._own.setdefault(stream, LocalStream(self._kept_pieces))

    def append(self, stream: str, tokens: Sequence[Token]) -> int:
        """See `Bus`."""
        local = self._own.setdefault(stream, LocalStream(self._kept_pieces))
        piece = joined(local.last + 1, tokens)
        local.add(piece)
        self._queue(_Message(stream, piece.sequence, piece.text, piece.logprob))
        return piece.sequence

    def is_followed(self, stream: str) -> bool:
        """See `Bus`."""
        local = self._own.get(stream)
        return local is not None and local.is_followed

    def end(self, stream: str, shared: Mapping[Any, Any] = NOTHING) -> int:
        """See `Bus`; a process that takes over a stream may end it too."""
        local = self._own.get(stream)
        number = local.last + 1 if local is not None and local.last else 0
        self._queue(_Message(stream, number, "", None, ends=True))
        if local is not None:
            local.finish(shared)
            asyncio.get_running_loop().call_later(self._kept_seconds, self._own.pop, stream, None)
        return number

    def leave(self, stream: str) -> None:
        """See `Bus`."""
        let_go_of(self._own, stream)

    async def follow(self, stream: str, after: int) -> AsyncGenerator[StreamEvent, None]:
        """See `Bus`."""
        own = self._own.get(stream)
        if own is not None:
            async with aclosing(own.follow(after)) as events:
                async for event in events:
                    yield event
            return
        mirror = self._mirrors.setdefault(stream, _Mirror(self._kept_pieces))
        mirror.readers += 1
        try:
            if await self._fill(stream, mirror):
                async with aclosing(mirror.local.follow(after)) as events:
                    async for event in events:
                        yield event
        finally:
            mirror.readers -= 1
            if not mirror.readers and self._mirrors.get(stream) is mirror:
                del self._mirrors[stream]

    def abandon(self, stream: str) -> None:
        """See `Bus`; who comes later reads what Redis has kept of it."""
        mirror = self._mirrors.pop(stream, None)
        local = self._own.get(stream) if mirror is None else mirror.local
        if local is not None:
            local.abandon()

    def announce(self, topic: str, message: Any) -> None:
        """See `Bus`."""
        self._topics.tell(topic, message)
        self._queue(_Message(topic, 0, orjson.dumps(message).decode(), None, is_topic=True))

    def watch(self, topic: str) -> AbstractContextManager[LocalWatcher]:
        """See `Bus`."""
        return self._topics.watch(topic)

    def state(self) -> BusState:
        """See `Bus`."""
        return BusState(self._problem, len(self._unsent), self._lag_seconds)

    async def close(self) -> None:
        """See `Bus`; what is not sent yet is tried once more."""
        self._closing = True
        self._to_send.set()
        await asyncio.wait(self._tasks[1:], timeout=COMMAND_TIMEOUT)
        for task in self._tasks:
            # redis-py loses a cancellation that comes just as an answer does.
            while not task.done():
                task.cancel()
                await asyncio.wait([task], timeout=0.05)
        for local in (*self._own.values(), *(mirror.local for mirror in self._mirrors.values())):
            local.abandon()
        await self._commands.aclose()
        await self._reads.aclose()

    def _queue(self, message: _Message) -> None:
        self._unsent.append(message)
        self._to_send.set()

    async def _send(self) -> None:
        """Sends what is queued, in order, many at once; what could not be sent is sent again."""
        while self._unsent or not self._closing:
            await self._to_send.wait()
            self._to_send.clear()
            while self._unsent:
                batch = [self._unsent[index] for index in range(min(len(self._unsent), READ_AT_ONCE))]
                try:
                    await self._send_batch(batch)
                except (RedisError, OSError) as error:
                    log.warning("the bus can not send: %s", error)
                    if self._closing:
                        return
                    await asyncio.sleep(0.5)
                else:
                    for _ in batch:
                        self._unsent.popleft()

    async def _send_batch(self, batch: Sequence[_Message]) -> None:
        async with self._commands.pipeline(transaction=False) as pipeline:
            for message in batch:
                if message.is_topic:
                    fields = {"topic": message.name, "message": message.text, "origin": self._origin}
                    pipeline.xadd(self._everything, fields, maxlen=KEPT_MESSAGES, approximate=True)  # type: ignore[arg-type]
                else:
                    await self._append_script(
                        keys=[*self._keys(message.name), self._everything],
                        args=[*message.arguments(), *self._bounds(), int(message.ends), self._origin],
                        client=pipeline,
                    )
            await pipeline.execute()

    def _keys(self, stream: str) -> tuple[str, str]:
        return f"{self._prefix}:stream:{stream}", f"{self._prefix}:text:{stream}"

    def _bounds(self) -> tuple[int, int, int]:
        return self._kept_pieces, KEPT_MESSAGES, max(1, int(self._kept_seconds))

    async def _read(self, place: bytes | None) -> None:
        """Reads everything once and hands it on; after a fault the mirrors are filled again."""
        while not self._closing:
            try:
                if place is None:
                    place = await self._newest()
                    for stream, mirror in list(self._mirrors.items()):
                        await self._refill(stream, mirror)
                entries = await self._next_after(place)
                self._problem, self._lag_seconds = None, _age(entries[-1][0]) if entries else 0.0
                for entry_id, fields in entries:
                    place = entry_id
                    await self._take(fields)
            except (RedisError, OSError) as error:
                log.warning("the bus can not read: %s", error)
                self._problem = f"Redis does not answer: {type(error).__name__}"
                place = None
                await asyncio.sleep(0.5)

    async def _newest(self) -> bytes:
        newest: Any = await self._reads.xrevrange(self._everything, count=1)
        return bytes(newest[0][0]) if newest else b"0-0"

    async def _next_after(self, place: bytes) -> list[tuple[bytes, dict[bytes, bytes]]]:
        answer: Any = await self._reads.xread(
            {self._everything: place}, count=READ_AT_ONCE, block=READ_BLOCK_MS
        )
        return [entry for _, entries in answer for entry in entries]

    async def _take(self, fields: dict[bytes, bytes]) -> None:
        if fields[b"origin"] == self._origin.encode():
            return
        if b"topic" in fields:
            self._topics.tell(fields[b"topic"].decode(), orjson.loads(fields[b"message"]))
            return
        stream = fields[b"stream"].decode()
        mirror = self._mirrors.get(stream)
        if mirror is not None and not mirror.take(int(fields[b"number"]), fields):
            await self._refill(stream, mirror)

    async def _fill(self, stream: str, mirror: _Mirror) -> bool:
        """Fills a mirror at its first use; tells whether there is such a stream."""
        async with mirror.filling:
            if not mirror.filled:
                await self._refill(stream, mirror)
        return mirror.filled

    async def _refill(self, stream: str, mirror: _Mirror) -> None:
        key, text_key = self._keys(stream)
        try:
            async with self._commands.pipeline(transaction=True) as pipeline:
                pipeline.xrange(key)
                pipeline.get(text_key)
                entries, text = await pipeline.execute()
        except (RedisError, OSError) as error:
            log.warning("the bus can not replay: %s", error)
            return
        if entries:
            mirror.fill(entries, (text or b"").decode())


def _age(entry_id: bytes) -> float:
    """Returns how many seconds ago Redis took an entry, whose id begins with its clock's milliseconds."""
    return max(0.0, time.time() - int(entry_id.split(b"-")[0]) / 1000)


class _Message:
    """Something to send."""

    __slots__ = ("ends", "is_topic", "logprob", "name", "number", "text")

    def __init__(
        self,
        name: str,
        number: int,
        text: str,
        logprob: float | None,
        *,
        ends: bool = False,
        is_topic: bool = False,
    ) -> None:
        self.name, self.number, self.text, self.logprob = name, number, text, logprob
        self.ends, self.is_topic = ends, is_topic

    def arguments(self) -> tuple[str, int, str, str]:
        """Returns the script's first arguments."""
        return self.name, self.number, self.text, "" if self.logprob is None else repr(self.logprob)


class _Mirror:
    """A stream of another process, as far as this one has heard of it."""

    def __init__(self, kept: int) -> None:
        self.local = LocalStream(kept)
        self.readers = 0
        self.filled = False
        self.filling = asyncio.Lock()

    def take(self, number: int, fields: dict[bytes, bytes]) -> bool:
        """Adds an entry that came live; False when some before it are missing."""
        if not self.filled or number <= self.local.last or self.local.ended:
            return True
        if number > self.local.last + 1:
            return False
        if b"end" in fields:
            self.local.finish()
        else:
            logprob = fields[b"logprob"]
            piece = Piece(number, fields[b"text"].decode(), float(logprob) if logprob else None)
            self.local.add(piece)
        return True

    def fill(self, entries: Sequence[tuple[bytes, dict[bytes, bytes]]], text: str) -> None:
        """Takes the entries that Redis kept; what was trimmed before them becomes a snapshot."""
        numbered = [(int(entry_id.split(b"-")[1]), fields) for entry_id, fields in entries]
        first = numbered[0][0]
        if first > self.local.last + 1:
            kept = sum(len(fields.get(b"text", b"").decode()) for _, fields in numbered)
            self.local.replace(Snapshot(first - 1, text[: len(text) - kept]))
        self.filled = True
        for number, fields in numbered:
            self.take(number, fields)
