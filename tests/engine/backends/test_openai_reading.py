"""How often a model server is read."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp.client_proto import ResponseHandler

from engine.backends.base import Result, Token
from tests.engine.backends.upstreams import openai_spec, opened_openai
from tests.engine.specs import text
from tests.servers.openai_compatible import ModelServer
from tests.servers.script import WORDS, model

HELLO = text("Hello")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What was read of sockets, read by read."""
    found: list[bytes] = []
    take = ResponseHandler.data_received

    def noted(self: ResponseHandler, data: bytes) -> None:
        if data:
            found.append(data)
        take(self, data)

    monkeypatch.setattr(ResponseHandler, "data_received", noted)
    return found


async def test_what_comes_while_nobody_asks_is_read_at_once(server: ModelServer, reads: list[bytes]) -> None:
    async with opened_openai(openai_spec(server.url, model(tokens=40, delay=0.005))) as backend:
        events = backend.predict(HELLO)
        first = await anext(events)
        before = len(reads)
        await asyncio.sleep(0.1)
        assert len(reads) <= before + 1  # one may have been on its way
        second, third = await anext(events), await anext(events)

        assert isinstance(first, Token)
        assert isinstance(second, Token)
        assert isinstance(third, Token)
        assert first.is_all
        assert max(len(second.text.split()), len(third.text.split())) > 5
        *_, end = [event async for event in events]

    assert isinstance(end, Result)


async def test_a_connection_is_used_again_after_an_answer_of_which_some_was_left_in_the_socket(
    server: ModelServer,
) -> None:
    async with opened_openai(openai_spec(server.url, model(tokens=20, delay=0.002))) as backend:
        for _ in range(2):
            text = ""
            async for event in backend.predict(HELLO):
                if isinstance(event, Token):
                    text += event.text
                    await asyncio.sleep(0.02)
            assert text == "".join(WORDS * 2)

    assert server.connections == 1
