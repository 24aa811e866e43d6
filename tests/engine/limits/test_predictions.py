"""What predictions reserve of the limits, and give back when they end, however they do."""

from __future__ import annotations

import asyncio

import pytest

from engine.errors import InternalError, RateLimitedError
from engine.limits.tiers import Tier
from engine.standing import RateLimitKind
from engine.values import CacheMode, DisconnectPolicy
from tests.engine.limits.texts import tell, teller
from tests.engine.workshop import Workshop, request


async def left(workshop: Workshop, kind: RateLimitKind) -> int:
    """Returns what is left of a limit of the project."""
    standing = await workshop.here.limits.standing(workshop.viewer)
    (only,) = [each.remaining for each in standing if each.kind is kind]
    return only


async def test_tokens_are_reserved_before_and_settled_after(workshop: Workshop) -> None:
    workshop.tiers["free"] = Tier(tokens=60)  # one comes back in a second
    await teller(workshop)
    workshop.backend.gate.clear()

    task = asyncio.create_task(workshop.ask(tell(40)))
    await workshop.backend.was_asked()
    meanwhile = await left(workshop, RateLimitKind.TOKENS)
    with pytest.raises(RateLimitedError) as refused:
        await workshop.ask(tell(40))
    workshop.backend.gate.set()
    row = await task

    assert row.status == "SUCCEEDED"
    assert meanwhile in (19, 20, 21)
    assert 50 <= await left(workshop, RateLimitKind.TOKENS) <= 52
    assert refused.value.limit is not None
    assert refused.value.limit.kind is RateLimitKind.TOKENS
    assert refused.value.retryable
    assert 0 < (refused.value.retry_after_seconds or 0) <= 22
    assert len(workshop.backend.calls) == 1


async def test_more_tokens_than_there_ever_are_is_not_worth_another_try(workshop: Workshop) -> None:
    workshop.tiers["free"] = Tier(tokens=60)
    await teller(workshop)

    with pytest.raises(RateLimitedError) as refused:
        await workshop.ask(tell(100))

    assert not refused.value.retryable
    assert await workshop.all_stored() == []


async def test_a_place_is_held_while_a_prediction_runs_and_no_longer(workshop: Workshop) -> None:
    workshop.tiers["free"] = Tier(concurrency=1)
    workshop.backend.gate.clear()

    task = asyncio.create_task(workshop.predict(1))
    await workshop.backend.was_asked()
    with pytest.raises(RateLimitedError) as refused:
        await workshop.predict(2)
    workshop.backend.gate.set()
    await task
    after = await workshop.predict(3)

    assert refused.value.limit is not None
    assert refused.value.limit.kind is RateLimitKind.CONCURRENCY
    assert after.status == "SUCCEEDED"


async def test_failed_canceled_and_abandoned_predictions_give_everything_back(workshop: Workshop) -> None:
    workshop.tiers["free"] = Tier(concurrency=5, tokens=1000)
    await teller(workshop)
    workshop.backend.error = InternalError()
    failed = await workshop.ask(tell(100))
    workshop.backend.error = None
    workshop.backend.gate.clear()

    canceled = await workshop.ask(tell(100, wait_ms=0))
    await workshop.here.predictor.cancel(workshop.viewer, canceled.id)
    late = await workshop.ask(tell(100, deadline_ms=1))
    gone = asyncio.create_task(workshop.ask(tell(100, on_disconnect=DisconnectPolicy.CANCEL)))
    await workshop.backend.was_asked(2)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    for row in await workshop.all_stored():
        await workshop.ended(row.id)
    await workshop.here.runs.drain(5)

    assert (failed.status, late.status) == ("FAILED", "FAILED")
    assert await left(workshop, RateLimitKind.CONCURRENCY) == 5
    assert await left(workshop, RateLimitKind.TOKENS) == 1000


async def test_a_known_answer_counts_for_nothing(workshop: Workshop) -> None:
    workshop.tiers["free"] = Tier(concurrency=1, tokens=1000)
    await teller(workshop)
    first = await workshop.ask(tell(500, cache=CacheMode.USE))
    workshop.backend.gate.clear()
    await workshop.ask(tell(400, wait_ms=0))

    second = await workshop.ask(tell(500, cache=CacheMode.USE))

    assert (first.cached, second.cached) == (False, True)


async def test_a_repetition_gets_the_first_prediction_although_nothing_is_left(workshop: Workshop) -> None:
    workshop.tiers["free"] = Tier(concurrency=1)
    workshop.backend.gate.clear()
    first = await workshop.ask(request(1, wait_ms=0, idempotency_key="k"))

    again = await workshop.here.predictor.run(
        workshop.viewer, request(1, wait_ms=0, idempotency_key="k"), "request"
    )

    assert again.replayed
    assert again.row.id == first.id


async def test_a_refused_prediction_leaves_no_trace_and_takes_nothing(workshop: Workshop) -> None:
    workshop.tiers["free"] = Tier(concurrency=1, tokens=1000)
    await teller(workshop)
    workshop.backend.gate.clear()
    await workshop.ask(tell(100, wait_ms=0))
    before = await left(workshop, RateLimitKind.TOKENS)

    with pytest.raises(RateLimitedError):
        await workshop.ask(tell(100))

    assert len(await workshop.all_stored()) == 1
    assert before <= await left(workshop, RateLimitKind.TOKENS) <= before + 40


async def test_another_prediction_of_an_operation_is_a_request_of_its_own(workshop: Workshop) -> None:
    workshop.tiers["free"] = Tier(requests=2)
    await workshop.predict(1)
    run = workshop.here.predictor.run

    for x in (2, 3):
        await run(workshop.viewer, request(x), "request", is_another=True)
    with pytest.raises(RateLimitedError) as refused:
        await run(workshop.viewer, request(4), "request", is_another=True)

    assert refused.value.limit is not None
    assert refused.value.limit.kind is RateLimitKind.REQUESTS


async def test_one_that_could_not_be_stored_gives_back_what_it_reserved(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.tiers["free"] = Tier(concurrency=1)
    refused = request(1, metadata={"x": "\0" * 10}, idempotency_key="k")
    await workshop.ask(request(1, wait_ms=0, idempotency_key="other"))
    await workshop.here.runs.drain(5)

    def broken(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("engine.predict.queries.add", broken)
    with pytest.raises(RuntimeError):
        await workshop.ask(refused)

    assert await left(workshop, RateLimitKind.CONCURRENCY) == 1
