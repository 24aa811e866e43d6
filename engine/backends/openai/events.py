"""Events: what a server sends while it answers, one by one, as bytes come.

https://html.spec.whatwg.org/multipage/server-sent-events.html. The official client reads them too, in five
times the time of all else that is done with a token.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx2
import openai
import orjson

from engine.backends.failures import UnreadableError

DONE = b"[DONE]"
DONE_SECONDS = 0.1
"""How long the end of an answer is waited for that has said that it is done, to use the connection again."""
MAX_EVENT_BYTES = 8 * 1024 * 1024


class Events:
    """The JSON of the events of one answer."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        is_plain = "content-encoding" not in response.headers
        pieces = cast(AsyncIterator[bytes], response.stream) if is_plain else response.aiter_bytes()
        self._pieces = aiter(pieces)
        self._unread: deque[bytes] = deque()
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0
        self._is_done = False

    def __bool__(self) -> bool:
        """Whether the next event is there already."""
        return bool(self._unread)

    def pop(self) -> Any:
        """Returns what the next event holds, which is there already.

        Raises:
            APIError: of the client; it is an error.
            UnreadableError: it holds no JSON.
        """
        data = self._unread.popleft()
        try:
            found = orjson.loads(data)
        except orjson.JSONDecodeError:
            found = _lenient_json(data)
        if isinstance(found, dict) and found.get("error"):
            raise openai.APIError("An error came.", self._response.request, body=found["error"])
        return found

    async def more(self) -> bool:
        """Returns once the next event is there; False at the end.

        Raises:
            APIConnectionError: of the client; the server broke off.
            UnreadableError: an event does not end.
        """
        try:
            while not self._unread and not self._is_done:
                piece = await anext(self._pieces, None)
                if piece is None:
                    return False
                self._take(piece)
            if not self._unread:
                await self._read_to_end()
        except httpx2.RequestError as error:
            raise openai.APIConnectionError(request=self._response.request) from error
        return bool(self._unread)

    async def aclose(self) -> None:
        """Closes the connection, if the answer has not been read to its end."""
        await self._response.aclose()

    async def _read_to_end(self) -> None:
        try:
            async with asyncio.timeout(DONE_SECONDS):
                while await anext(self._pieces, None) is not None:
                    pass
        except (TimeoutError, httpx2.RequestError):
            return

    def _take(self, piece: bytes) -> None:
        """Parts what has come into events; what has only begun waits for its rest."""
        self._size += len(piece)
        lines = (self._rest + piece).splitlines(keepends=True)
        self._rest = b"" if lines[-1].endswith(b"\n") else lines.pop()
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].strip())
            elif self._data and not line.strip():
                data, self._data = b"\n".join(self._data), []
                self._size = len(self._rest)
                if data.startswith(DONE):
                    self._is_done = True
                    return
                self._unread.append(data)
        if self._size > MAX_EVENT_BYTES:
            raise UnreadableError


def _lenient_json(data: bytes) -> Any:
    try:
        return json.loads(data)  # takes half of a surrogate pair, whose other half comes next
    except (ValueError, RecursionError) as error:
        raise UnreadableError from error
