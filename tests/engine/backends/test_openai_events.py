from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import ClientResponse

from engine.backends.failures import UnreadableError
from engine.backends.openai.events import MAX_EVENT_BYTES, Events

STREAM = (
    'data: {"a": "😀"}\n\n: still there\n\nevent: x\r\nid: 7\r\ndata:[1,\r\ndata: 2]\r\n\r\ndata: [DONE]\n\n'
)
SAID = [{"a": "😀"}, [1, 2]]


@dataclass
class Answer:
    """As much of an answer of aiohttp as is asked for here; its body comes in pieces."""

    pieces: Sequence[bytes]
    connection: Any = None
    method = "POST"
    url = "http://127.0.0.1/v1/chat/completions"

    @property
    def content(self) -> Answer:
        return self

    async def iter_any(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece


class Transport:
    """As much of a transport."""

    def __init__(self, *, is_secure: bool) -> None:
        self._extra = {"ssl_object": object()} if is_secure else {}
        self._is_reading = True

    def get_extra_info(self, name: str) -> object:
        return self._extra.get(name)

    def is_reading(self) -> bool:
        return self._is_reading

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True


def events_of(*pieces: bytes) -> Events:
    return Events(cast(ClientResponse, Answer(pieces)))


async def read(*pieces: bytes) -> list[Any]:
    events = events_of(*pieces)
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
    events = events_of(body)

    await events.more()

    assert [events.pop(), events.pop(), events.pop(), bool(events)] == [0, 1, 2, False]


async def test_what_comes_after_the_last_event_is_not_read() -> None:
    assert await read(b'data: 1\n\ndata: [DONE]\n\ndata: {"error": "late"}\n\n') == [1]


async def test_an_event_that_does_not_end_is_none() -> None:
    assert await read(b"data: 1\n\ndata: 2\n") == [1]


async def test_a_long_event_may_come_in_many_pieces() -> None:
    event = b'data: "' + b"x" * (MAX_EVENT_BYTES - 100) + b'"\r\n\r\ndata: 2\n\n'
    pieces = [event[start : start + 1000] for start in range(0, len(event), 1000)]

    assert await read(*pieces) == ["x" * (MAX_EVENT_BYTES - 100), 2]


@pytest.mark.parametrize("is_secure", [False, True])
async def test_what_comes_while_nobody_asks_stays_in_the_socket_but_not_with_tls(*, is_secure: bool) -> None:
    transport = Transport(is_secure=is_secure)
    answer = Answer([b"data: 1\n\n", b"data: 2\n\n"], SimpleNamespace(transport=transport))
    events = Events(cast(ClientResponse, answer))

    assert await events.more()
    await asyncio.sleep(0)
    was_reading = transport.is_reading()
    events.pop()

    assert was_reading is is_secure
    assert await events.more()
    assert transport.is_reading()


async def test_half_of_a_character_may_come_alone() -> None:
    half = json.dumps({"text": "\ud83d"}).encode()

    assert await read(b"data: " + half + b"\n\n") == [{"text": "\ud83d"}]


async def test_no_more_of_an_event_is_kept_than_makes_sense() -> None:
    line = b"data: " + b" " * (MAX_EVENT_BYTES // 4) + b"\n"

    with pytest.raises(UnreadableError):
        await read(*[line] * 5)
