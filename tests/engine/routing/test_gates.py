import asyncio
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import ModelOverloadedError
from engine.routing.gates import Gates
from engine.serving import Served
from tests.engine.workshop import Workshop


def served(workshop: Workshop, **config: Any) -> Served:
    """Returns the told version with a config."""
    (found,) = workshop.here.serving.loaded()
    spec = found.version.spec
    found.version.spec = replace(spec, config={**spec.config, **config})
    return found


class Calls:
    """Calls of one version that note in which order they begin, and go on until they are let go."""

    def __init__(self, gates: Gates, version: Served) -> None:
        self.began: list[str] = []
        self.most = 0
        self._now = 0
        self._gates = gates
        self._version = version
        self._over = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self, name: str, *, for_job: bool = False) -> asyncio.Task[None]:
        """Begins a call, and lets everything happen that can happen then."""
        task = asyncio.create_task(self._call(name, for_job=for_job))
        self._tasks.append(task)
        await self.settle()
        return task

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def end(self) -> list[str]:
        """Lets all calls end, and returns the order in which they began."""
        self._over.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return self.began

    async def _call(self, name: str, *, for_job: bool) -> None:
        async with self._gates.call(self._version, for_job=for_job):
            self.began.append(name)
            self._now += 1
            self.most = max(self.most, self._now)
            try:
                await self._over.wait()
            finally:
                self._now -= 1


async def test_callers_get_slots_in_the_order_they_came_and_jobs_after_all_of_them(
    workshop: Workshop,
) -> None:
    calls = Calls(Gates(1.0), served(workshop, maxConcurrency=1))

    for name in ("first", "item", "second", "third"):
        await calls.begin(name, for_job=name == "item")

    assert calls.began == ["first"]
    assert await calls.end() == ["first", "second", "third", "item"]
    assert calls.most == 1


async def test_jobs_take_their_share_of_the_slots_and_callers_the_rest(workshop: Workshop) -> None:
    calls = Calls(Gates(0.5), served(workshop, maxConcurrency=4))

    for number in range(3):
        await calls.begin(f"item {number}", for_job=True)
    await calls.begin("caller")

    assert calls.began == ["item 0", "item 1", "caller"]
    await calls.end()


async def test_without_the_setting_callers_come_in_at_once_and_jobs_by_their_share(
    workshop: Workshop,
) -> None:
    calls = Calls(Gates(0.25, threads=4), served(workshop))

    for number in range(6):
        await calls.begin(f"item {number}", for_job=True)
    for number in range(30):
        await calls.begin(f"caller {number}")

    items = sum(name.startswith("item") for name in calls.began)
    assert (items, len(calls.began) - items) == (4, 30)
    await calls.end()


async def test_a_caller_who_leaves_while_it_waits_takes_no_slot_with_it(workshop: Workshop) -> None:
    calls = Calls(Gates(1.0), served(workshop, maxConcurrency=1))
    await calls.begin("first")
    leaving = await calls.begin("leaving")
    await calls.begin("last")

    leaving.cancel()
    await calls.settle()

    assert await calls.end() == ["first", "last"]


async def test_one_more_than_may_wait_is_refused_at_once_and_told_when_to_come_again(
    workshop: Workshop,
) -> None:
    gates, version = Gates(), served(workshop, maxConcurrency=2, maxQueue=1)
    places = [gates.place(version) for _ in range(3)]
    assert gates.is_full(version)

    with pytest.raises(ModelOverloadedError, match="as many as it may, and 1 wait") as refused:
        gates.place(version)

    assert (refused.value.retryable, refused.value.retry_after_seconds) == (True, 0.5)
    places[0].leave()
    places[0].leave()
    assert not gates.is_full(version)
    gates.place(version)
    assert gates.is_full(version)


async def test_more_slots_let_in_who_waits(workshop: Workshop) -> None:
    gates = Gates(1.0)
    version = served(workshop, maxConcurrency=1)
    calls = Calls(gates, version)
    await calls.begin("first")
    await calls.begin("second")

    served(workshop, maxConcurrency=2)
    gates.is_full(version)
    await calls.settle()

    assert calls.began == ["first", "second"]
    await calls.end()


async def test_a_version_that_asks_for_rest_is_left_alone_for_so_long(workshop: Workshop) -> None:
    gates, version = Gates(), served(workshop)

    gates.rest(version, 30)
    gates.rest(version, 1)

    assert 29 < gates.rests_for(version) <= 30
