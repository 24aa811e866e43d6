"""Items of jobs reserve tokens, and wait for them without using an attempt."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from db.tables import JobRow
from engine.errors import InternalError
from engine.limits.tiers import Tier
from engine.standing import RateLimitKind
from engine.values import BatchItem, BatchRequest, ModelRef
from tests.engine.jobs.bench import Bench
from tests.engine.limits.money import books, set_budget
from tests.engine.limits.test_predictions import left
from tests.engine.limits.texts import PROMPT, said, teller
from tests.engine.specs import text
from tests.engine.workshop import Workshop


@pytest.fixture
async def bench(workshop: Workshop, tmp_path: Path) -> Bench:
    """Jobs for the teller, whose project may use 6,000 tokens a minute: a hundred in a second."""
    workshop.tiers["free"] = Tier(tokens=6_000, concurrency=1, requests=1)
    await teller(workshop)
    return Bench.of(workshop, tmp_path / "files")


async def submit(bench: Bench, *tokens: int) -> str:
    items = tuple(BatchItem(None, text(PROMPT, maxTokens=each)) for each in tokens)
    request = BatchRequest(ModelRef(name="teller"), items=items)
    job, _ = await bench.jobs.batches.submit(bench.viewer, request, "request")
    return job.id


async def test_items_settle_what_they_used(bench: Bench, workshop: Workshop) -> None:
    job_id = await submit(bench, *([500] * 8))

    async with bench.working():
        job = await bench.ended(job_id)

    assert (job.succeeded, job.failed) == (8, 0)
    assert await left(workshop, RateLimitKind.TOKENS) >= 6_000 - 8 * 10


async def test_an_item_that_has_to_wait_for_tokens_does_not_use_an_attempt(
    bench: Bench, workshop: Workshop
) -> None:
    workshop.backend.result = said(3, 1000)
    job_id = await submit(bench, *([1000] * 7))  # of which five fit at once

    async with bench.working():
        await workshop.backend.was_asked(5)
        waiting = await bench.job(job_id)
        job = await bench.ended(job_id)

    assert waiting.status == "RUNNING"
    assert (job.succeeded, job.failed) == (7, 0)
    assert {item.attempts for item in await bench.items(job_id)} == {1}


async def test_an_item_that_may_use_more_than_there_ever_is_waits_for_all_of_it(
    bench: Bench, workshop: Workshop
) -> None:
    workshop.tiers["free"] = Tier(tokens=600)
    job_id = await submit(bench, 1000)

    async with bench.working():
        job = await bench.ended(job_id)

    assert job.succeeded == 1


async def test_the_places_of_predictions_are_not_those_of_items(bench: Bench, workshop: Workshop) -> None:
    workshop.backend.gate.clear()
    job_id = await submit(bench, *([10] * 4))

    async with bench.working():
        await workshop.backend.was_asked(4)
        free = await left(workshop, RateLimitKind.CONCURRENCY)
        workshop.backend.gate.set()
        await bench.ended(job_id)

    assert free == 1
    await asyncio.sleep(0)


@pytest.fixture
def any_bench(any_workshop: Workshop, tmp_path: Path) -> Bench:
    """The test runs twice: with jobs on SQLite, and on PostgreSQL. An item costs a thousand nano units."""
    return Bench.of(any_workshop, tmp_path / "files")


async def paused(bench: Bench, job_id: str) -> JobRow:
    """Waits until a job is paused, and returns it."""
    async with asyncio.timeout(20):
        while (row := await bench.job(job_id)).status != "PAUSED":  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
    return row


async def test_a_job_that_runs_out_of_money_is_paused_and_goes_on_when_it_is_resumed(
    any_bench: Bench, any_workshop: Workshop
) -> None:
    await set_budget(any_workshop, 5_500)
    job = await any_bench.submit(12)

    async with any_bench.working():
        stopped = await paused(any_bench, job.id)
        spent = await books(any_workshop)
        await set_budget(any_workshop, 12_000)
        await any_bench.jobs.control.resume(any_bench.viewer, job.id)
        ended = await any_bench.ended(job.id)

    assert (stopped.succeeded, stopped.failed) == (5, 0)
    assert stopped.status_reason is not None
    assert "The TOTAL budget of this project does not cover it" in stopped.status_reason
    assert spent == (5_000, 0, 0)
    assert (ended.status, ended.succeeded, ended.failed) == ("SUCCEEDED", 12, 0)
    assert {item.attempts for item in await any_bench.items(job.id)} == {1}
    assert await books(any_workshop) == (12_000, 0, 0)


async def test_a_job_waits_for_money_that_others_only_hold(any_bench: Bench, any_workshop: Workshop) -> None:
    await set_budget(any_workshop, 3_000)
    any_workshop.backend.gate.clear()
    running = await any_workshop.predict(1, wait_ms=0)
    await any_workshop.backend.was_asked()
    await set_budget(any_workshop, 1_000)
    any_workshop.backend.error = InternalError()
    job = await any_bench.submit(1)

    async with any_bench.working():
        while not (await any_bench.chunks(job.id))[0].not_before:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
        waiting = await any_bench.job(job.id)
        any_workshop.backend.gate.set()  # it fails, and gives back what it held
        await any_workshop.ended(running.id)
        any_workshop.backend.error = None
        ended = await any_bench.ended(job.id)

    assert waiting.status == "RUNNING"
    assert ended.succeeded == 1
    assert await books(any_workshop) == (1_000, 0, 0)


async def test_what_a_killed_worker_held_is_given_back_by_who_takes_up_its_chunk(
    any_bench: Bench, any_workshop: Workshop
) -> None:
    await set_budget(any_workshop, 3_000)
    job = await any_bench.submit(3)
    any_workshop.backend.gate.clear()
    async with any_bench.working(alone=False) as worker:
        await any_workshop.backend.was_asked(3)
        held = await books(any_workshop)
        worker._results.store = _nothing  # type: ignore[method-assign]  # as if it was killed
    any_workshop.backend.gate.set()

    async with any_bench.working():
        ended = await any_bench.ended(job.id)

    assert held == (0, 3_000, 3_000)
    assert ended.succeeded == 3
    assert await books(any_workshop) == (3_000, 0, 0)


async def test_a_job_that_is_canceled_holds_nothing(any_bench: Bench, any_workshop: Workshop) -> None:
    await set_budget(any_workshop, 9_000)
    job = await any_bench.submit(3)
    any_workshop.backend.gate.clear()
    async with any_bench.working():
        await any_workshop.backend.was_asked(3)
        await any_bench.jobs.control.cancel(any_bench.viewer, job.id)
        await any_bench.ended(job.id)

    assert await books(any_workshop) == (0, 0, 0)


async def _nothing(chunk: object) -> None:
    """Stores nothing."""
