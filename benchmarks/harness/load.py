"""A load generator for HTTP/1.1 that costs little: whole requests as bytes, answers read by their length.

Closed loop: each connection sends its next request when the answer to the one before has come.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import uvloop

MakeRequest = Callable[[int], bytes]
"""Returns the how manyth request, whole."""
Follow = Callable[[bytes], "bytes | None"]
"""Returns the request that the body of an answer leads to, None where it is the last one."""


@dataclass(slots=True)
class Load:
    """What came of some seconds of load."""

    answers: int = 0
    failures: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    """Seconds of each answer."""
    sample: bytes = b""
    """The body of one answer."""


def request(
    path: str, body: bytes, headers: Mapping[str, str] | None = None, *, method: str = "POST"
) -> bytes:
    """Returns a whole HTTP/1.1 request with a JSON body."""
    given = {"Host": "127.0.0.1", "Content-Type": "application/json", "Accept": "*/*", **(headers or {})}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def drive(
    port: int,
    make: MakeRequest,
    *,
    seconds: float,
    connections: int,
    first: int = 0,
    follow: Follow | None = None,
) -> Load:
    """Sends requests for some seconds, from that many connections at once.

    With `follow` some answers lead to another request, whose answer is the one that counts.
    """
    return uvloop.run(_drive(port, make, follow, seconds, connections, first))


async def _drive(
    port: int, make: MakeRequest, follow: Follow | None, seconds: float, connections: int, first: int
) -> Load:
    loop = asyncio.get_running_loop()
    load, numbers = Load(), iter(range(first, first + 10**9))
    end = time.perf_counter() + seconds
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(
            lambda: _Client(make, follow, numbers.__next__, load, end), "127.0.0.1", port
        )
        clients.append(client)
    started = time.perf_counter()
    for client in clients:
        client.send()
    await asyncio.wait_for(asyncio.gather(*(client.done for client in clients)), seconds + 60)
    load.seconds = time.perf_counter() - started
    return load


class _Client(asyncio.Protocol):
    def __init__(
        self, make: MakeRequest, follow: Follow | None, number: Callable[[], int], load: Load, end: float
    ) -> None:
        self._follow = follow
        self._make, self._number, self._load, self._end = make, number, load, end
        self._buffer = self._body = b""
        self._left = -1
        self._sent = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def send(self) -> None:
        data = self._make(self._number())
        self._sent = time.perf_counter()
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        if self._left < 0:
            self._buffer = data if not self._buffer else self._buffer + data
            if not self._read_head():
                return
        else:
            self._left -= len(data)
            if self._keeps:
                self._body += data
        if self._left > 0:
            return
        self._answered()

    def _read_head(self) -> bool:
        """Reads an answer's head, if all of it is there; chunked ones are read to their last chunk."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = self._buffer[:end].lower()
        self._is_good = head[9:12] == b"200"
        place = head.find(b"content-length:")
        if place < 0:
            if not self._buffer.endswith(b"0\r\n\r\n"):
                return False
            self._left = 0
        else:
            line = head.find(b"\r\n", place)
            length = int(head[place + 15 : line if line >= 0 else len(head)])
            self._left = length - (len(self._buffer) - end - 4)
        if self._keeps:
            self._body = self._buffer[end + 4 :]
        self._buffer = b""
        return True

    @property
    def _keeps(self) -> bool:
        return self._follow is not None or not self._load.sample

    def _answered(self) -> None:
        following = self._follow(self._body) if self._follow is not None else None
        if following is not None:
            self._left = -1
            self._transport.write(following)
            return
        now = time.perf_counter()
        load = self._load
        load.answers += 1
        if not load.sample:
            load.sample = self._body
        load.failures += not self._is_good
        load.latencies.append(now - self._sent)
        self._left = -1
        if now < self._end:
            self.send()
        else:
            self.done.set_result(None)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))
