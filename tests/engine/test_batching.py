import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.batching import MicroBatcher

FOREVER = 3600.0


class Recorder:
    """Doubles what it is given, in calls that wait for a gate; refuses negative items."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, items: Sequence[int]) -> Sequence[int]:
        self.calls.append(list(items))
        await self.gate.wait()
        bad = [item for item in items if item < 0]
        if bad:
            raise ValueError(f"negative: {bad}")
        return [2 * item for item in items]


async def turns(count: int = 10) -> None:
    """Lets everything run that can run without waiting for anything."""
    for _ in range(count):
        await asyncio.sleep(0)


@asynccontextmanager
async def a_running_batch(recorder: Recorder, batcher: MicroBatcher[int, int]) -> AsyncIterator[None]:
    """Keeps the model busy with an item 0 of its own until the context ends."""
    recorder.gate.clear()
    first = asyncio.create_task(batcher.submit(0))
    await turns()
    assert recorder.calls == [[0]]
    yield
    recorder.gate.set()
    assert await first == 0


async def test_a_call_that_comes_alone_runs_at_once() -> None:
    recorder = Recorder()
    batcher = MicroBatcher(recorder, max_size=8, max_delay_seconds=FOREVER)

    answer = await batcher.submit(21)

    assert answer == 42
    assert recorder.calls == [[21]]


async def test_calls_of_the_same_moment_share_one_call() -> None:
    recorder = Recorder()
    batcher = MicroBatcher(recorder, max_size=8, max_delay_seconds=0)

    answers = await asyncio.gather(*(batcher.submit(item) for item in range(8)))

    assert answers == [2 * item for item in range(8)]
    assert recorder.calls == [list(range(8))]


async def test_calls_that_come_while_the_model_is_busy_share_the_next_call() -> None:
    recorder = Recorder()
    batcher = MicroBatcher(recorder, max_size=8, max_delay_seconds=0)

    async with a_running_batch(recorder, batcher):
        waiting = []
        for item in range(1, 6):
            waiting.append(asyncio.create_task(batcher.submit(item)))
            await turns(3)
    answers = await asyncio.gather(*waiting)

    assert answers == [2, 4, 6, 8, 10]
    assert recorder.calls == [[0], [1, 2, 3, 4, 5]]


@given(
    sizes=st.lists(st.integers(min_value=0, max_value=12), min_size=1, max_size=40),
    max_size=st.integers(min_value=1, max_value=10),
)
@settings(max_examples=100, deadline=None)
def test_every_caller_gets_its_own_answer_in_batches_of_at_most_the_maximum(
    sizes: list[int], max_size: int
) -> None:
    calls: list[list[tuple[int, int]]] = []

    async def run(items: Sequence[tuple[int, int]]) -> Sequence[str]:
        calls.append(list(items))
        await asyncio.sleep(0)
        return [f"{index}:{size}" for index, size in items]

    async def ask_all() -> list[str]:
        batcher = MicroBatcher(run, max_size=max_size, max_delay_seconds=0)
        return await asyncio.gather(*(batcher.submit(item, item[1]) for item in enumerate(sizes)))

    answers = asyncio.run(ask_all())

    assert answers == [f"{index}:{size}" for index, size in enumerate(sizes)]
    assert sorted(item for call in calls for item in call) == list(enumerate(sizes))
    assert all(len(call) == 1 or sum(size for _, size in call) <= max_size for call in calls)
    fitting = sum(size for size in sizes if size <= max_size)
    assert len(calls) <= 2 * fitting // max_size + 1 + sum(size > max_size for size in sizes) * 2


async def test_an_item_that_is_too_large_runs_alone_and_delays_nobody() -> None:
    recorder = Recorder()
    batcher = MicroBatcher(recorder, max_size=4, max_delay_seconds=0)

    answers = await asyncio.gather(*(batcher.submit(item, 1000 if item == 3 else 1) for item in range(1, 6)))

    assert answers == [2, 4, 6, 8, 10]
    assert recorder.calls == [[1, 2], [3], [4, 5]]


async def test_one_bad_item_fails_alone() -> None:
    recorder = Recorder()
    batcher = MicroBatcher(recorder, max_size=8, max_delay_seconds=0)

    answers = await asyncio.gather(*(batcher.submit(item) for item in (1, -2, 3)), return_exceptions=True)

    assert answers[0] == 2
    assert isinstance(answers[1], ValueError)
    assert str(answers[1]) == "negative: [-2]"
    assert answers[2] == 6


async def test_every_caller_of_a_model_that_always_fails_hears_of_it_and_the_next_one_is_served() -> None:
    recorder = Recorder()
    batcher = MicroBatcher(recorder, max_size=8, max_delay_seconds=0)

    refused = await asyncio.gather(*(batcher.submit(-item) for item in (1, 2, 3)), return_exceptions=True)
    answer = await batcher.submit(4)

    assert [str(error) for error in refused] == ["negative: [-1]", "negative: [-2]", "negative: [-3]"]
    assert answer == 8


async def test_a_model_that_answers_fewer_items_than_it_got_leaves_nobody_waiting() -> None:
    async def forgetful(items: Sequence[int]) -> Sequence[int]:
        return items[1:]

    batcher = MicroBatcher(forgetful, max_size=8, max_delay_seconds=0)

    async with asyncio.timeout(5):
        answers = await asyncio.gather(*map(batcher.submit, range(3)), return_exceptions=True)

    assert [type(answer) for answer in answers] == [ValueError] * 3


async def test_a_caller_that_leaves_while_it_waits_is_not_asked_for() -> None:
    recorder = Recorder()
    batcher = MicroBatcher(recorder, max_size=8, max_delay_seconds=0)

    async with a_running_batch(recorder, batcher):
        staying, leaving = (asyncio.create_task(batcher.submit(item)) for item in (1, 2))
        await turns()
        leaving.cancel()
        await turns()

    assert await staying == 2
    assert leaving.cancelled()
    assert recorder.calls == [[0], [1]]


async def test_a_caller_that_leaves_while_its_batch_runs_does_not_hurt_the_others() -> None:
    recorder = Recorder()
    batcher = MicroBatcher(recorder, max_size=8, max_delay_seconds=0)
    recorder.gate.clear()
    staying, leaving = (asyncio.create_task(batcher.submit(item)) for item in (1, 2))
    await turns()

    leaving.cancel()
    recorder.gate.set()

    assert await staying == 2
    assert leaving.cancelled()
    assert recorder.calls == [[1, 2]]


async def test_a_caller_that_left_is_not_tried_again_when_its_batch_failed() -> None:
    recorder = Recorder()
    batcher = MicroBatcher(recorder, max_size=8, max_delay_seconds=0)
    recorder.gate.clear()
    staying, leaving, bad = (asyncio.create_task(batcher.submit(item)) for item in (1, 2, -3))
    await turns()

    leaving.cancel()
    recorder.gate.set()
    await asyncio.gather(staying, leaving, bad, return_exceptions=True)

    assert staying.result() == 2
    assert recorder.calls == [[1, 2, -3], [1], [-3]]


async def test_after_a_shared_batch_a_full_one_runs_without_waiting_for_the_delay() -> None:
    recorder = Recorder()
    batcher = MicroBatcher(recorder, max_size=3, max_delay_seconds=FOREVER)
    await asyncio.gather(*map(batcher.submit, (1, 2)))

    waiting = [asyncio.create_task(batcher.submit(item)) for item in (3, 4)]
    await turns()
    held_back = list(recorder.calls)
    waiting.append(asyncio.create_task(batcher.submit(5)))
    answers = await asyncio.gather(*waiting)

    assert held_back == [[1, 2]]
    assert answers == [6, 8, 10]
    assert recorder.calls == [[1, 2], [3, 4, 5]]


async def test_a_batch_that_does_not_fill_runs_when_the_delay_is_over() -> None:
    recorder = Recorder()
    batcher = MicroBatcher(recorder, max_size=100, max_delay_seconds=0.001)
    await asyncio.gather(*map(batcher.submit, (1, 2)))

    answers = await asyncio.gather(*map(batcher.submit, (3, 4)))

    assert answers == [6, 8]
    assert recorder.calls == [[1, 2], [3, 4]]


async def test_an_idle_batcher_has_no_task() -> None:
    batcher = MicroBatcher(Recorder(), max_size=8, max_delay_seconds=0)

    await asyncio.gather(*map(batcher.submit, range(20)))
    await turns()

    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("concurrent", [1, 7, 64, 500])
async def test_a_crowd_costs_no_more_calls_than_full_batches(concurrent: int) -> None:
    recorder = Recorder()
    batcher = MicroBatcher(recorder, max_size=32, max_delay_seconds=0)

    await asyncio.gather(*map(batcher.submit, range(concurrent)))

    assert len(recorder.calls) == -(-concurrent // 32)
