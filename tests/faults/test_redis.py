"""Redis hangs, is gone for a while, or starts again: what it carries may wait, nothing else does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clients.served import served
from tests.faults.asking import CACHED, Client, settings
from tests.faults.servers import OwnRedis, own_redis
from tests.services import new_postgres_database
from tests.system.processes import eventually

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.slow]


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[OwnRedis]:
    async with own_redis(tmp_path) as redis:
        yield redis


@pytest.fixture
async def client(tmp_path: Path, redis: OwnRedis) -> AsyncIterator[Client]:
    with new_postgres_database() as url:
        async with served(settings(tmp_path, url, redis_url=redis.url)) as server:
            yield Client(server)


async def test_while_redis_hangs_predictions_go_on_and_readiness_tells(
    client: Client, redis: OwnRedis
) -> None:
    async def tells() -> bool:
        return "Redis" in str((await client.ready())[1]["checks"]["bus"])

    async def is_whole() -> bool:
        return bool((await client.ready())[1]["status"] == "ready")

    redis.freeze()
    async with asyncio.timeout(30):
        answered = await asyncio.gather(*(client.predict(number, CACHED) for number in range(10)))
    await eventually(tells)
    status, told = await client.ready()
    redis.thaw()
    await eventually(is_whole)

    assert all(answered)
    assert len(client.succeeded) == 10
    assert status == 200
    assert told["status"] == "degraded"


async def test_a_job_that_was_submitted_without_redis_is_done_once_it_is_back(
    client: Client, redis: OwnRedis
) -> None:
    await redis.kill()
    async with asyncio.timeout(60):
        job_id = await client.submit(500)
        answered = await client.predict()
    await asyncio.sleep(2)
    waited = not await client.has_ended(job_id)
    await redis.start()
    await eventually(lambda: client.has_ended(job_id))

    assert answered
    assert waited


async def test_a_job_goes_on_over_restarts_of_redis(client: Client, redis: OwnRedis) -> None:
    job_id = await client.submit(1000)
    for _ in range(3):
        await redis.kill()
        await redis.start()

    await eventually(lambda: client.has_ended(job_id))
    _, body = await client.ask("query ($id: ID!) { job(id: $id) { counts { succeeded } } }", id=job_id)

    assert body["data"]["job"]["counts"]["succeeded"] == 1000
