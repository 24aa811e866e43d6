"""Texts that one process writes and another one shows, over PostgreSQL and Redis."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.system.following import Follower
from tests.system.processes import LEASE_SECONDS, Server

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.slow]

BEGIN = """mutation ($seed: Int!) {
  predict(input: {
    model: {name: "storyteller"}, waitMs: 0, cache: BYPASS
    data: {text: {prompt: {text: "It was"}, parameters: {maxTokens: 400, temperature: 1, seed: $seed}}}
  }) { prediction { id } errors { message } }
}"""


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
