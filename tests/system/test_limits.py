"""Limits of whole processes: exact over two of them, and through outages of the Redis that they share."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from tests.faults.servers import OwnRedis, own_redis
from tests.services import free_port, new_postgres_database
from tests.system.processes import Server, serving

pytestmark = [pytest.mark.redis, pytest.mark.slow]

CLIENTS = 200
LIMIT = 150
BEFORE = 20
QUESTION = {"query": "{ viewer { id } }"}


def environment(redis: OwnRedis, limit: int, **more: str) -> dict[str, str]:
    """Returns the settings of a server whose first project may send so many requests a minute."""
    tiers = json.dumps({"internal": {"requests_per_minute": limit}})
    return {
        "FORETELL_REDIS_URL": redis.url,
        "FORETELL_TIERS": tiers,
        "FORETELL_EMBEDDED_MODELS": "false",
        "FORETELL_WORKER_SLOTS": "0",
        **more,
    }


@asynccontextmanager
async def client_of(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {server.key}", "Accept": "application/graphql-response+json"}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60, limits=limits) as client:
        yield client


async def ask(client: httpx.AsyncClient) -> int:
    """Returns the status of a request."""
    return (await client.post("/graphql", json=QUESTION)).status_code


def bucket(redis: OwnRedis) -> tuple[float, float]:
    """Returns what is left of the requests of the only project, and when that was, in seconds."""
    with Redis(port=redis.port) as client:
        (key,) = client.keys("foretell:limit:*:REQUESTS")
        left, at = client.hmget(key, "left", "at")
    return float(left), float(at) / 1_000_000


@pytest.mark.postgres
async def test_two_hundred_clients_of_two_processes_get_exactly_what_there_is(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(own_redis(tmp_path))
        database = stack.enter_context(new_postgres_database())
        settings = environment(redis, LIMIT, FORETELL_DATABASE_URL=database)
        first = await stack.enter_async_context(serving(free_port(), settings))
        second = await stack.enter_async_context(serving(free_port(), settings, first.key))
        clients = [await stack.enter_async_context(client_of(server)) for server in (first, second)]
        before = [await ask(clients[0]) for _ in range(BEFORE)]  # room for what is restored meanwhile
        left, at = bucket(redis)

        statuses = await asyncio.gather(*(ask(clients[turn % 2]) for turn in range(2 * CLIENTS)))

        left_then, at_then = bucket(redis)

    counted = Counter(statuses)
    restored = (at_then - at) * LIMIT / 60
    assert before == [200] * BEFORE
    assert set(counted) == {200, 429}
    assert counted[200] == pytest.approx(left + restored - left_then, abs=0.01)
    assert left_then < 1


@pytest.mark.parametrize("policy", ["open", "closed"])
async def test_an_outage_of_redis_under_load_is_bridged_or_refused_and_heals(
    tmp_path: Path, policy: str
) -> None:
    redis = OwnRedis(tmp_path)
    database = f"sqlite:///{tmp_path / 'foretell.db'}"
    more = {"FORETELL_DATABASE_URL": database, "FORETELL_LIMITS_ON_REDIS_FAILURE": policy}
    statuses: list[int] = []
    async with AsyncExitStack() as stack:
        async with redis.running():
            server = await stack.enter_async_context(serving(free_port(), environment(redis, 10**6, **more)))
            client = await stack.enter_async_context(client_of(server))
            load = [asyncio.create_task(_keep_asking(client, statuses)) for _ in range(8)]
            while len(statuses) < 50:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)
        unshared = await _ready(client, until="Redis does not answer")
        without = [await ask(client) for _ in range(5)]
        async with redis.running():
            shared = await _ready(client, until="ok")
            while await ask(client) != 200:  # noqa: ASYNC110 - the probe turns twice a second
                await asyncio.sleep(0.05)
            again = [await ask(client) for _ in range(5)]
            for task in load:
                task.cancel()
            await asyncio.gather(*load, return_exceptions=True)

    is_open = policy == "open"
    assert without == [200 if is_open else 429] * 5
    assert again == [200] * 5
    assert set(statuses) == ({200} if is_open else {200, 429})
    assert unshared["status"] == ("degraded" if is_open else "not ready")
    assert shared["checks"]["limits"] == "ok"


async def _keep_asking(client: httpx.AsyncClient, statuses: list[int]) -> None:
    while True:
        statuses.append(await ask(client))
        await asyncio.sleep(0.01)


async def _ready(client: httpx.AsyncClient, *, until: str) -> dict[str, Any]:
    """Waits until `/ready` says this of limits, and returns its answer."""
    async with asyncio.timeout(60):
        while True:
            answer = (await client.get("/ready")).json()
            if answer["checks"]["limits"].startswith(until):
                return dict(answer)
            await asyncio.sleep(0.05)
