"""HttpConnection: HTTP/1.1 spoken by a client over one connection, parsed in C by llhttp.

RFC 9112. What a server sends at once is read at once, however many chunks it is cut into: a client that wakes
for each chunk of a generated text spends more on them than on all else.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
import httpx2

MAX_HEAD_BYTES = 64 * 1024
PAUSE_BYTES = 256 * 1024
"""How much a reader may be behind before the server has to wait."""

Headers = list[tuple[bytes, bytes]]


class HttpConnection(asyncio.Protocol):
    """Sends one request at a time and reads its answer.

    Attributes:
        is_open: whether the server can be asked.
        is_complete: whether the answer to the last request has come as a whole.
    """

    def __init__(self) -> None:
        self.is_open = True
        self.is_complete = True
        self._parser = httptools.HttpResponseParser(self)
        self._transport: Any = None
        self._status = 0
        self._headers: Headers = []
        self._head_bytes = 0
        self._has_head = False
        self._keeps_alive = True
        self._body: list[bytes] = []
        self._waiting = 0
        self._is_paused = False
        self._problem: httpx2.TransportError | None = None
        self._reader: asyncio.Future[None] | None = None

    @property
    def is_reusable(self) -> bool:
        """Whether another request may be sent."""
        return self.is_open and self.is_complete and self._keeps_alive and self._problem is None

    async def ask(self, request: bytes) -> tuple[int, Headers]:
        """Sends a request, and returns the status and the headers of its answer.

        Raises:
            TransportError: of httpx; the server closed the connection, or answers what is no HTTP.
        """
        self.is_complete = self._has_head = False
        self._headers, self._head_bytes = [], 0
        self._take_body()  # what is left of an answer that nobody wanted to the end
        self._transport.write(request)
        while not self._has_head:
            await self._wait()
        return self._status, self._headers

    async def read(self) -> bytes:
        """Returns what has come of the body, as soon as there is some; nothing at its end.

        Raises:
            TransportError: of httpx; the server broke off.
        """
        while not self._body:
            if self.is_complete:
                return b""
            await self._wait()
        return self._take_body()

    def abort(self) -> None:
        """Closes the connection at once."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    def _take_body(self) -> bytes:
        data = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body, self._waiting = [], 0
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()
        return data

    async def _wait(self) -> None:
        if self._problem is not None:
            raise self._problem
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _fail(self, problem: httpx2.TransportError) -> None:
        self._problem = self._problem or problem
        self._wake()
        self.abort()

    # What follows is called by the event loop.

    def connection_made(self, transport: Any) -> None:
        """See `asyncio.Protocol`."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self.is_complete:  # nobody has asked
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(httpx2.RemoteProtocolError("This is no answer of HTTP/1.1."))
            return
        if self._waiting > PAUSE_BYTES and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self.is_open = False
        if not self.is_complete:
            if self._has_head and error is None and self._ends_with_connection:
                self.is_complete = True
            else:
                self._problem = self._problem or httpx2.ReadError("The server closed the connection.")
        self._wake()

    @property
    def _ends_with_connection(self) -> bool:
        """Whether nothing but the connection's end tells where the body ends."""
        return not any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self._headers)

    # What follows is called by the parser.

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a header, or a trailer, which nobody asks for."""
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError("too many headers")
        if not self._has_head:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Takes the status; one that is only for now is followed by another."""
        self._status = self._parser.get_status_code()
        if self._status >= 200:
            self._has_head = True
        else:
            self._headers = []

    def on_body(self, data: bytes) -> None:
        """Takes a piece of the body."""
        self._body.append(data)
        self._waiting += len(data)

    def on_message_complete(self) -> None:
        """Takes the end."""
        if self._has_head:
            self.is_complete = True
            self._keeps_alive = self._parser.should_keep_alive()
