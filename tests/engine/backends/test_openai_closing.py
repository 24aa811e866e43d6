import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from engine.backends.base import Backend, Event, Token
from engine.values import ModelTask, PredictionData
from tests.engine.backends.upstreams import answer_of, openai_spec, opened_openai
from tests.engine.specs import text
from tests.servers.openai_compatible import ModelServer
from tests.servers.script import WORDS, model

HELLO = text("Hello")

WINDOWS: dict[str, dict[str, Any]] = {
    "before the headers": {"accept_delay": 60},
    "before the first token": {"first_delay": 60},
    "mid-stream": {"tokens": 1000, "delay": 0.01},
    "mid-stream, stalled": {"stall": 2},
    "between retries": {"fail": 1, "status": 503, "retry_after": "9"},
}


def started(backend: Backend) -> tuple[asyncio.Task[None], asyncio.Event]:
    """Starts a prediction, and tells when its first token has come."""
    begun = asyncio.Event()

    async def read(events: AsyncIterator[Event]) -> None:
        async for _ in events:
            begun.set()

    return asyncio.create_task(read(backend.predict(HELLO))), begun


@pytest.mark.parametrize("script", WINDOWS.values(), ids=WINDOWS)
async def test_a_cancelled_prediction_leaves_the_server_within_a_second(
    server: ModelServer, script: dict[str, Any]
) -> None:
    async with opened_openai(openai_spec(server.url, model(**script))) as backend:
        task, begun = started(backend)
        await server.until(called=1)
        if "tokens" in script or "stall" in script:
            await begun.wait()

        async with asyncio.timeout(1):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await server.until(live=0)

        assert task.cancelled()
        assert server.left == (0 if "fail" in script else 1)


async def test_a_prediction_that_is_closed_leaves_the_server_within_a_second(server: ModelServer) -> None:
    async with opened_openai(openai_spec(server.url, model(tokens=1000, delay=0.01))) as backend:
        events = backend.predict(HELLO)
        await anext(events)

        async with asyncio.timeout(1):
            await events.aclose()  # type: ignore[attr-defined]
            await server.until(live=0)

    assert server.left == 1


async def test_a_cancelled_embedding_leaves_the_server_within_a_second(server: ModelServer) -> None:
    spec = openai_spec(server.url, model(accept_delay=60), ModelTask.EMBEDDING)
    async with opened_openai(spec) as backend:
        data = PredictionData("embedding", {"texts": ["Hello"]})
        task = asyncio.create_task(answer_of(backend, data))
        await server.until(called=1)

        async with asyncio.timeout(1):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await server.until(live=0)

    assert server.left == 1


async def test_calls_that_were_left_give_their_connections_back(server: ModelServer) -> None:
    spec = openai_spec(server.url, model(tokens=1000, delay=0.005), maxConnections=2)
    async with opened_openai(spec) as backend:
        for _ in range(5):
            events = backend.predict(HELLO)
            await anext(events)
            await events.aclose()  # type: ignore[attr-defined]

        told, _ = await asyncio.wait_for(answer_of(backend, text("Hello", maxTokens=3)), 5)

    assert told == "".join(WORDS[:3])


async def test_more_calls_than_connections_wait_for_their_turn(server: ModelServer) -> None:
    spec = openai_spec(server.url, model(tokens=3, delay=0.01), maxConnections=2)
    async with opened_openai(spec) as backend:
        running = [asyncio.create_task(answer_of(backend, HELLO)) for _ in range(10)]
        most = 0
        while not all(task.done() for task in running):
            most = max(most, server.live)
            await asyncio.sleep(0.002)

    assert [(await task)[0] for task in running] == ["".join(WORDS[:3])] * 10
    assert most == 2


async def test_a_reader_that_pauses_does_not_lose_the_answer(server: ModelServer) -> None:
    spec = openai_spec(server.url, model(tokens=200), timeouts={"betweenTokens": 0.2})
    async with opened_openai(spec) as backend:
        told = ""
        async for event in backend.predict(HELLO):
            if told == WORDS[0]:
                await asyncio.sleep(0.5)
            told += event.text if isinstance(event, Token) else ""

    assert told == "".join(WORDS * 20)
