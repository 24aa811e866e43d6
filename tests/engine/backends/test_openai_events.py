import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from engine.backends.failures import UnreadableError
from engine.backends.openai.events import MAX_EVENT_BYTES, Events

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1/chat/completions")
STREAM = (
    'data: {"a": "😀"}\n\n: still there\n\nevent: x\r\nid: 7\r\ndata:[1,\r\ndata: 2]\r\n\r\ndata: [DONE]\n\n'
)
SAID = [{"a": "😀"}, [1, 2]]


class Pieces(httpx2.AsyncByteStream):
    """The body of an answer, in pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


async def read(*pieces: bytes, headers: dict[str, str] | None = None) -> list[Any]:
    events = Events(httpx2.Response(200, headers=headers, stream=Pieces(*pieces), request=REQUEST))
    found = []
    while await events.more():
        found.append(events.pop())
    return found


async def test_events_are_read_however_they_are_cut() -> None:
    stream = STREAM.encode()
    for place in range(1, len(stream)):
        assert await read(stream[:place], stream[place:]) == SAID
    assert await read(*(bytes([byte]) for byte in stream)) == SAID


async def test_many_events_that_come_at_once_are_there_at_once() -> None:
    body = b"".join(b"data: %d\n\n" % number for number in range(3))
    events = Events(httpx2.Response(200, stream=Pieces(body), request=REQUEST))

    await events.more()

    assert [events.pop(), events.pop(), events.pop(), bool(events)] == [0, 1, 2, False]


async def test_what_comes_after_the_last_event_is_not_read() -> None:
    assert await read(b'data: 1\n\ndata: [DONE]\n\ndata: {"error": "late"}\n\n') == [1]


async def test_an_event_that_does_not_end_is_none() -> None:
    assert await read(b"data: 1\n\ndata: 2\n") == [1]


async def test_a_compressed_answer_is_read_too() -> None:
    body = gzip.compress(STREAM.encode())

    assert await read(body[:20], body[20:], headers={"Content-Encoding": "gzip"}) == SAID


async def test_half_of_a_character_may_come_alone() -> None:
    half = json.dumps({"text": "\ud83d"}).encode()

    assert await read(b"data: " + half + b"\n\n") == [{"text": "\ud83d"}]


async def test_no_more_of_an_event_is_kept_than_makes_sense() -> None:
    line = b"data: " + b" " * (MAX_EVENT_BYTES // 4) + b"\n"

    with pytest.raises(UnreadableError):
        await read(*[line] * 5)
