"""Items of jobs reserve tokens, and wait for them without using an attempt."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.limits.tiers import Tier
from engine.standing import RateLimitKind
from engine.values import BatchItem, BatchRequest, ModelRef
from tests.engine.jobs.bench import Bench
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
