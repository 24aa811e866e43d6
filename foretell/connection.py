"""Connection: HTTP/1.1 by uvicorn, without the patience that a hostile client lives on."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from http import HTTPStatus
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
MAX_HEAD_BYTES = 64 * 1024
STALLED_SECONDS = 60.0
MAX_WAITING = 200


class Connection(HttpToolsProtocol):
    """Serves a connection, and closes it when the client does not do its part.

    uvicorn would wait for ever for the head of a request, or for somebody who does not read the answer, and
    keep a head of any length. Here a head has 64 KiB and ten seconds, from the opening of the connection or
    the first byte on; what still comes of a body when the answer is sent has as long. A client that takes
    no byte for a minute is cut off. Of one address 200 connections may be waiting for a head; the one that
    waits longest makes room for the next.
    """

    _waiting: ClassVar[defaultdict[str, dict[Connection, None]]] = defaultdict(dict)
    """The connections of each address whose head has not come, the oldest first."""
    _timer: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None
    _in_head = False
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Reads on, as long as the head is neither too long nor too slow."""
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            elif self._timer is None:
                self._wait()

    def on_message_begin(self) -> None:
        """Notes that a head begins; most come whole and need no timer."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Ends the wait for a head."""
        self._in_head = False
        self._wait_no_more()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Gives a body that nobody reads any more the time of a head to end."""
        super().on_response_complete()
        if self.cycle.more_body and self._timer is None and not self.transport.is_closing():
            self._wait()

    def pause_writing(self) -> None:
        """Gives a client that does not read a minute to go on."""
        super().pause_writing()
        self._stall = self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Is content with a client that reads."""
        super().resume_writing()
        self._read_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leaves no timer behind."""
        self._wait_no_more()
        self._read_on()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self._refuse, HTTPStatus.REQUEST_TIMEOUT)
        waiting = self._waiting[self._address]
        waiting[self] = None
        if len(waiting) > MAX_WAITING:
            next(iter(waiting))._refuse(HTTPStatus.TOO_MANY_REQUESTS)

    def _wait_no_more(self) -> None:
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        del self._waiting[self._address][self]
        if not self._waiting[self._address]:
            del self._waiting[self._address]

    def _refuse(self, status: HTTPStatus) -> None:
        self._wait_no_more()
        if self._in_head and not self.transport.is_closing():
            head = (
                f"HTTP/1.1 {status.value} {status.phrase}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            )
            self.transport.write(head.encode())
        self.transport.close()

    def _read_on(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""
