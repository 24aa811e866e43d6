"""Texts that one process writes and another one shows, over PostgreSQL and Redis."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.services import new_postgres_database, redis_url
from tests.system.following import Follower
from tests.system.processes import Server, serving

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.slow]

LEASE_SECONDS = 3

BEGIN = """mutation ($seed: Int!) {
  predict(input: {
    model: {name: "storyteller"}, waitMs: 0, cache: BYPASS
    data: {text: {prompt: {text: "It was"}, parameters: {maxTokens: 400, temperature: 1, seed: $seed}}}
  }) { prediction { id } errors { message } }
}"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
async def two_servers() -> AsyncIterator[tuple[Server, Server]]:
    """Two processes that share a database and a Redis, and nothing else."""
    redis = await redis_url()
    with new_postgres_database() as database:
        environment = {
            "FORETELL_DATABASE_URL": database,
            "FORETELL_REDIS_URL": redis,
            "FORETELL_LEASE_SECONDS": str(LEASE_SECONDS),
        }
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(serving(free_port(), environment))
            second = await stack.enter_async_context(serving(free_port(), environment, first.key))
            yield first, second


async def begin(server: Server, seed: int) -> str:
    answer = (await server.ask(BEGIN, seed=seed))["predict"]
    assert answer["errors"] == []
    return str(answer["prediction"]["id"])


async def test_a_text_written_by_one_process_is_followed_through_another(
    two_servers: tuple[Server, Server],
) -> None:
    writer, reader = two_servers
    followers = [Follower(await begin(writer, seed)) for seed in range(5)]

    async with asyncio.timeout(60):
        await asyncio.gather(*(each.follow(reader, writer, events_each=9) for each in followers))

    for each in followers:
        assert each.end is not None
        assert each.end["status"] == "SUCCEEDED"
        assert each.text == each.end["output"]["text"]
    assert sum(each.cuts for each in followers) >= 20


async def test_when_the_writer_is_killed_readers_elsewhere_get_an_end_within_a_lease(
    two_servers: tuple[Server, Server],
) -> None:
    writer, reader = two_servers
    followers = [Follower(await begin(writer, seed)) for seed in range(20)]
    following = [asyncio.create_task(each.follow(reader)) for each in followers]
    while not all(each.last for each in followers):  # noqa: ASYNC110 - until every one has begun
        await asyncio.sleep(0.02)

    await writer.kill()
    killed = time.monotonic()
    async with asyncio.timeout(60):
        await asyncio.gather(*following)
    waited = time.monotonic() - killed

    ended = [each.end for each in followers if each.end is not None]
    failed = [end for end in ended if end["status"] == "FAILED"]
    assert len(ended) == 20
    assert failed
    assert all(end["error"] == {"code": "MODEL_ERROR", "retryable": True} for end in failed)
    assert waited < 4 * LEASE_SECONDS
