"""Limits whose Redis is killed, stopped, emptied, and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis import Redis

from engine.limits.base import BucketsAwayError, Demand, Limit
from engine.limits.guarded import GuardedBuckets
from engine.limits.redis import RedisBuckets
from engine.standing import LimitScope, RateLimitKind
from tests.faults.servers import OwnRedis

pytestmark = pytest.mark.redis


@pytest.fixture
def own_redis(tmp_path: Path) -> OwnRedis:
    return OwnRedis(tmp_path)


@asynccontextmanager
async def guarded(redis: OwnRedis, *, fails_open: bool) -> AsyncIterator[GuardedBuckets]:
    buckets = GuardedBuckets(RedisBuckets(redis.url), fails_open=fails_open)
    try:
        yield buckets
    finally:
        await buckets.close()


def demand(amount: int = 1) -> Demand:
    return Demand(Limit("ours", RateLimitKind.REQUESTS, LimitScope.PROJECT, 10), amount)


async def until_shared(buckets: GuardedBuckets) -> None:
    """Waits until what is taken is taken in Redis."""
    async with asyncio.timeout(20):
        while not await is_shared(buckets):  # noqa: ASYNC110 - nothing tells when it has come
            await asyncio.sleep(0.05)


async def is_shared(buckets: GuardedBuckets) -> bool:
    try:
        return isinstance((await buckets.take([demand(0)])).by, RedisBuckets)
    except BucketsAwayError:
        return False


async def test_without_redis_each_process_limits_by_itself(own_redis: OwnRedis) -> None:
    async with guarded(own_redis, fails_open=True) as buckets:
        taken = [await buckets.take([demand()]) for _ in range(12)]
        problem = await buckets.problem()

    assert [each.refused for each in taken] == [None] * 10 + [0, 0]
    assert problem is not None
    assert not problem.refuses
    assert "each process limits by itself" in problem.message


async def test_without_redis_nothing_is_let_through_where_that_is_set(own_redis: OwnRedis) -> None:
    async with guarded(own_redis, fails_open=False) as buckets:
        for _ in range(2):
            with pytest.raises(BucketsAwayError):
                await buckets.take([demand()])
        problem = await buckets.problem()

    assert problem is not None
    assert problem.refuses


@pytest.mark.parametrize("fails_open", [True, False])
async def test_limits_are_shared_again_when_redis_is_back(own_redis: OwnRedis, fails_open: bool) -> None:
    async with guarded(own_redis, fails_open=fails_open) as buckets:
        async with own_redis.running():
            assert await is_shared(buckets)
        assert not await is_shared(buckets)
        async with own_redis.running():
            await until_shared(buckets)
            assert await buckets.problem() is None


async def test_a_redis_that_hangs_is_waited_for_once_and_not_by_those_who_come_later(
    own_redis: OwnRedis,
) -> None:
    async with own_redis.running(), guarded(own_redis, fails_open=True) as buckets:
        await buckets.take([demand()])
        own_redis.freeze()
        first = await asyncio.gather(*(buckets.take([demand(0)]) for _ in range(50)))
        later = buckets.take([demand(0)])
        with pytest.raises(StopIteration):  # answered without waiting for anything
            later.send(None)
        own_redis.thaw()
        await until_shared(buckets)

    assert not any(isinstance(each.by, RedisBuckets) for each in first)


async def test_an_emptied_redis_forgets_what_was_taken_and_limits_on(own_redis: OwnRedis) -> None:
    async with own_redis.running(), guarded(own_redis, fails_open=False) as buckets:
        assert (await buckets.take([demand(10)])).refused is None
        with Redis(port=own_redis.port) as client:
            client.flushall()
            client.script_flush()

        taken = [await buckets.take([demand(4)]) for _ in range(3)]

    assert [each.refused for each in taken] == [None, None, 0]
