"""What every engine does: the same tests for each of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import pytest

from engine.jobs.docket import DocketEngine
from engine.jobs.engine import Engine, LocalEngine
from tests.services import redis_url


@pytest.fixture(params=["local", pytest.param("docket", marks=pytest.mark.redis)])
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[Engine]:
    if request.param == "local":
        yield LocalEngine()
        return
    engine = DocketEngine(await redis_url(), slots=4, lease_seconds=2, name=f"test:{uuid4().hex}")
    yield engine
    await engine.close()


@asynccontextmanager
async def running(
    engine: Engine, handler: Callable[[int], Awaitable[None]], slots: int = 2
) -> AsyncIterator[None]:
    task = asyncio.create_task(engine.run(handler, slots))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_what_is_offered_runs(engine: Engine) -> None:
    ran: list[int] = []

    async def handle(key: int) -> None:
        ran.append(key)

    async with running(engine, handle):
        await engine.offer(range(10))
        await until(lambda: len(ran) == 10)

    assert sorted(ran) == list(range(10))


async def test_no_more_run_at_once_than_there_are_slots(engine: Engine) -> None:
    now, most, done = 0, 0, 0

    async def handle(key: int) -> None:
        nonlocal now, most, done
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1
        done += 1

    async with running(engine, handle, slots=3):
        await engine.offer(range(12))
        await until(lambda: done == 12)

    assert most == 3


async def test_what_waits_or_runs_is_not_run_twice(engine: Engine) -> None:
    ran = Counter[int]()
    gate = asyncio.Event()

    async def handle(key: int) -> None:
        ran[key] += 1
        await gate.wait()

    async with running(engine, handle, slots=1):
        await engine.offer([1, 2])
        await until(lambda: ran[1] == 1)
        await engine.offer([1, 2, 2])
        gate.set()
        await until(lambda: ran[2] == 1)
        await asyncio.sleep(0.05)

    assert ran == {1: 1, 2: 1}


async def test_what_has_ended_can_be_offered_again(engine: Engine) -> None:
    ran = Counter[int]()

    async def handle(key: int) -> None:
        ran[key] += 1

    async with running(engine, handle):
        await engine.offer([1])
        await until(lambda: ran[1] == 1)
        await asyncio.sleep(0.05)
        await engine.offer([1])
        await until(lambda: ran[1] == 2)


async def test_cancel_reaches_the_handler_and_no_other(engine: Engine) -> None:
    canceled: list[int] = []
    begun = Counter[int]()

    async def handle(key: int) -> None:
        begun[key] += 1
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            canceled.append(key)
            raise

    async with running(engine, handle):
        await engine.offer([1, 2])
        await until(lambda: begun.total() == 2)
        await engine.cancel(1)
        await engine.cancel(7)
        await until(lambda: canceled == [1])
        await engine.offer([3])
        await until(lambda: begun[3] == 1)
        still_running = list(canceled)

    assert still_running == [1]
    assert sorted(canceled) == [1, 2, 3]


async def test_a_handler_that_breaks_leaves_its_slot_to_the_next(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[int] = []

    async def handle(key: int) -> None:
        ran.append(key)
        raise RuntimeError("broken")

    async with running(engine, handle, slots=1):
        await engine.offer([1, 2])
        await until(lambda: ran == [1, 2])
