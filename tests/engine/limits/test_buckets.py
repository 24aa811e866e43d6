"""The contract of every bucket: all or nothing, refilled by the clock, places with a lease."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import pytest

from engine.limits.base import Buckets, Demand, Limit
from engine.limits.memory import MemoryBuckets
from engine.limits.redis import RedisBuckets
from engine.standing import LimitScope, RateLimitKind
from tests.services import redis_url

Make = Callable[..., tuple[Buckets, Buckets]]


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Makes the buckets that two callers share: the same in memory, those of two processes over Redis."""
    url = await redis_url() if request.param == "redis" else ""
    opened: list[Buckets] = []

    def pair(lease_seconds: float = 30.0) -> tuple[Buckets, Buckets]:
        if not url:
            one: Buckets = MemoryBuckets(lease_seconds=lease_seconds)
            two = one
        else:
            prefix = f"test:{uuid4().hex}"
            one = RedisBuckets(url, prefix=prefix, lease_seconds=lease_seconds)
            two = RedisBuckets(url, prefix=prefix, lease_seconds=lease_seconds)
        opened.extend({id(each): each for each in (one, two)}.values())
        return one, two

    yield pair
    for buckets in opened:
        await buckets.close()


def limit(capacity: int, kind: RateLimitKind = RateLimitKind.REQUESTS) -> Limit:
    return Limit(uuid4().hex, kind, LimitScope.PROJECT, capacity)


def places(capacity: int) -> Limit:
    return limit(capacity, RateLimitKind.CONCURRENCY)


async def test_a_limit_begins_full_and_what_is_taken_is_missing_for_everyone(make: Make) -> None:
    here, there = make()
    ours = limit(10)

    first = await here.take([Demand(ours, 4)])
    second = await there.take([Demand(ours, 7)])
    third = await there.take([Demand(ours, 6)])

    assert (first.refused, second.refused, third.refused) == (None, 0, None)
    assert first.left == pytest.approx([6], abs=0.01)


async def test_all_limits_are_taken_or_none(make: Make) -> None:
    here, there = make()
    roomy, tight, running = limit(100), limit(3), places(5)

    refused = await here.take([Demand(roomy, 50), Demand(running, 1), Demand(tight, 4)], "a")
    looked = await there.take([Demand(roomy, 0), Demand(tight, 0), Demand(running, 0)])

    assert refused.refused == 2
    assert looked.left == [100, 3, 5]


async def test_looking_takes_nothing_and_is_never_refused(make: Make) -> None:
    here, _ = make()
    ours = limit(1)
    await here.take([Demand(ours, 5)], forced=True)

    looked = await here.take([Demand(ours, 0)])

    assert looked.refused is None
    assert looked.left == pytest.approx([-4], abs=0.5)


async def test_what_is_given_back_can_be_taken_again_but_never_more_than_all(make: Make) -> None:
    here, there = make()
    ours = limit(10)
    await here.take([Demand(ours, 10)])

    given = await here.take([Demand(ours, -4)], forced=True)
    full = await there.take([Demand(ours, -100)], forced=True)

    assert given.left == pytest.approx([4], abs=0.5)
    assert full.left == [10]


async def test_a_limit_is_refilled_as_time_goes_by(make: Make) -> None:
    here, _ = make()
    fast = limit(60_000)  # a thousand in a second
    await here.take([Demand(fast, 60_000)])

    await asyncio.sleep(0.1)
    taken = await here.take([Demand(fast, 90)])

    assert taken.refused is None


async def test_places_are_held_by_name_and_given_back(make: Make) -> None:
    here, there = make()
    running = places(2)

    for holder in ("a", "b"):
        assert (await here.take([Demand(running, 1)], holder)).refused is None
    full = await there.take([Demand(running, 1)], "c")
    await there.take([Demand(running, -1)], "a", forced=True)
    again = await there.take([Demand(running, 1)], "c")

    assert full.refused == 0
    assert (again.refused, again.left) == (None, [0])


async def test_a_place_whose_holder_died_is_free_when_its_lease_has_ended(make: Make) -> None:
    here, there = make(lease_seconds=0.2)
    running = places(1)
    await here.take([Demand(running, 1)], "dead")

    await asyncio.sleep(0.25)

    assert (await there.take([Demand(running, 1)], "alive")).refused is None


async def test_a_place_that_is_renewed_outlives_its_lease_and_one_that_is_gone_does_not_come_back(
    make: Make,
) -> None:
    here, there = make(lease_seconds=2.0)
    running = places(2)
    await here.take([Demand(running, 1)], "alive")
    for _ in range(3):
        await asyncio.sleep(0.8)
        await here.renew([(running.key, "alive"), (running.key, "given back")])

    looked = await there.take([Demand(running, 0)])

    assert looked.left == [1]


async def test_two_hundred_at_once_get_exactly_what_there_is(make: Make) -> None:
    here, there = make()
    key, project = limit(90), limit(120)

    taken = await asyncio.gather(
        *((here, there)[turn % 2].take([Demand(project, 1), Demand(key, 1)]) for turn in range(200))
    )

    left = (await here.take([Demand(project, 0), Demand(key, 0)])).left
    got = sum(each.refused is None for each in taken)
    assert 90 <= got <= 90 + 3  # what two seconds restore
    assert left[0] >= 120 - got


async def test_what_is_wrong_is_nothing(make: Make) -> None:
    here, _ = make()

    assert await here.problem() is None
