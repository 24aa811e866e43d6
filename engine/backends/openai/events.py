"""Events: what a server sends while it answers, one by one, as bytes come.

https://html.spec.whatwg.org/multipage/server-sent-events.html. The official client reads them too, in five
times the time of all else that is done with a token.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from typing import Any

import aiohttp
import httpx2
import openai
import orjson

from engine.backends.failures import UnreadableError

DONE = b"[DONE]"
DONE_SECONDS = 0.1
"""How long the end of an answer is waited for that has said that it is done, to use the connection again."""
USUAL = re.compile(rb"data: (.*)\n\n")
"""An event as nearly all are."""
FRAME = len(b"data: \n\n")
MAX_EVENT_BYTES = 8 * 1024 * 1024


class Events:
    """The JSON of the events of one answer.

    What comes while nobody asks for more stays in the socket, to be read at once: to be woken up for each
    takes longer than all else that is done with an event.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._pieces = aiter(response.content.iter_any())
        self._unread: deque[bytes] = deque()
        self._begun: list[bytes] = []
        self._size = 0
        self._tail = b""
        self._is_done = False
        self._pause: asyncio.Handle | None = None
        self._paused: asyncio.Transport | None = None

    def __bool__(self) -> bool:
        """Whether the next event is there already."""
        return bool(self._unread)

    def pop(self) -> Any:
        """Returns what the next event holds, which is there already.

        Raises:
            APIError: of the official client; it is an error.
            UnreadableError: it holds no JSON.
        """
        data = self._unread.popleft()
        try:
            found = orjson.loads(data)
        except orjson.JSONDecodeError:
            found = _lenient_json(data)
        if isinstance(found, dict) and found.get("error"):
            request = httpx2.Request(self._response.method, str(self._response.url))
            raise openai.APIError("An error came.", request, body=found["error"])
        return found

    async def more(self) -> bool:
        """Returns once the next event is there; False at the end.

        Raises:
            ClientError: of aiohttp; the server broke off.
            UnreadableError: an event does not end.
        """
        if self._read_on():
            await asyncio.sleep(0)  # so long it takes until what has come meanwhile is read
        while not self._unread and not self._is_done:
            piece = await anext(self._pieces, None)
            if piece is None:
                return False
            self._take(piece)
        if not self._unread:
            await self._read_to_end()
            return False
        self._pause = asyncio.get_running_loop().call_soon(self._read_no_further)
        return True

    async def aclose(self) -> None:
        """Closes the connection, if the answer has not been read to its end."""
        self._read_on()
        self._response.release()
        await self._response.wait_for_close()

    def _read_no_further(self) -> None:
        """Leaves in the socket what comes, after a turn of the event loop in which nobody asked for it."""
        self._pause = None
        connection = self._response.connection
        transport = None if connection is None else connection.transport
        # TLS that is paused is read nevertheless, and uvloop drops what it holds when the server closes
        if transport is None or transport.get_extra_info("ssl_object") is not None:
            return
        if transport.is_reading():
            transport.pause_reading()
            self._paused = transport

    def _read_on(self) -> bool:
        """Reads what comes; tells whether it was left in the socket before."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._paused is None:
            return False
        self._paused.resume_reading()
        self._paused = None
        return True

    async def _read_to_end(self) -> None:
        try:
            async with asyncio.timeout(DONE_SECONDS):
                while await anext(self._pieces, None) is not None:
                    pass
        except (TimeoutError, aiohttp.ClientError):
            return

    def _take(self, piece: bytes) -> None:
        """Parts what has come into events; what has only begun waits for its rest."""
        near = self._tail + piece
        self._begun.append(piece)
        self._size, self._tail = self._size + len(piece), near[-3:]
        if b"\n\n" not in near and b"\n\r\n" not in near:
            if self._size > MAX_EVENT_BYTES:
                raise UnreadableError
            return
        come, rest = b"".join(self._begun), b""
        events = USUAL.findall(come)
        if sum(map(len, events)) + FRAME * len(events) != len(come):
            *blocks, rest = come.replace(b"\r\n", b"\n").split(b"\n\n")
            events = [_data(block) for block in blocks]
        self._begun, self._size, self._tail = [rest], len(rest), rest[-3:]
        for data in events:
            if data.startswith(DONE):
                self._is_done = True
                return
            if data:
                self._unread.append(data)


def _data(block: bytes) -> bytes:
    """Returns what the lines of an event hold."""
    return b"\n".join([line[5:].strip() for line in block.split(b"\n") if line.startswith(b"data:")])


def _lenient_json(data: bytes) -> Any:
    try:
        return json.loads(data)  # takes half of a surrogate pair, whose other half comes next
    except (ValueError, RecursionError) as error:
        raise UnreadableError from error
