from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
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
    method = "POST"
    url = "http://127.0.0.1/v1/chat/completions"
    connection = None

    @property
    def content(self) -> Answer:
        return self

    async def iter_any(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece


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


async def test_half_of_a_character_may_come_alone() -> None:
    half = json.dumps({"text": "\ud83d"}).encode()

    assert await read(b"data: " + half + b"\n\n") == [{"text": "\ud83d"}]


async def test_no_more_of_an_event_is_kept_than_makes_sense() -> None:
    line = b"data: " + b" " * (MAX_EVENT_BYTES // 4) + b"\n"

    with pytest.raises(UnreadableError):
        await read(*[line] * 5)
