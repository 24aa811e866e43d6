"""What those who follow a prediction hear of its run."""

from __future__ import annotations

import asyncio

import pytest

from db.tables import PredictionRow
from engine.events import End
from tests.engine.limits.texts import tell, teller
from tests.engine.workshop import Workshop


async def test_who_follows_a_text_before_its_first_token_waits_for_it(workshop: Workshop) -> None:
    _, following = await _followed(workshop)
    assert not following.done()
    workshop.backend.gate.set()

    async with asyncio.timeout(2):
        assert [type(event) for event in await following] == [End]


async def test_the_end_brings_the_row_without_its_large_columns(workshop: Workshop) -> None:
    row, following = await _followed(workshop)
    workshop.backend.gate.set()
    end = (await following)[-1]

    assert isinstance(end, End)
    shown = end.shared[row.project_id]
    assert (shown.id, shown.status) == (row.id, "SUCCEEDED")
    assert (shown.input, shown.output, shown.explanation) == (None, None, None)
    assert (await workshop.ended(row.id)).output is not None


async def test_who_follows_a_text_that_is_lost_is_sent_elsewhere(workshop: Workshop) -> None:
    row, following = await _followed(workshop)
    await workshop.abandon(row.id, owner="another")
    workshop.backend.gate.set()

    async with asyncio.timeout(2):
        assert await following == []


@pytest.mark.parametrize("wait_ms", [0, 20])
async def test_who_waits_no_longer_hears_of_the_end_at_once(workshop: Workshop, wait_ms: int) -> None:
    workshop.backend.gate.clear()
    row = await workshop.predict(wait_ms=wait_ms)

    with workshop.here.bus.watch(f"prediction:{row.id}") as news:
        workshop.backend.gate.set()

        assert await news.next(5) == "SUCCEEDED"


async def test_who_does_not_wait_costs_no_transaction_more(workshop: Workshop) -> None:
    ended = []
    for wait_ms in (10_000, 0):
        before = workshop.database.commits.transactions
        row = await workshop.ended((await workshop.predict(wait_ms=wait_ms)).id)
        ended.append((row.status, workshop.database.commits.transactions - before))

    assert ended == [("SUCCEEDED", 2)] * 2


async def _events(workshop: Workshop, prediction_id: str) -> list[object]:
    return [event async for event in workshop.here.bus.follow(prediction_id, 0)]


async def _followed(workshop: Workshop) -> tuple[PredictionRow, asyncio.Task[list[object]]]:
    """Begins a text whose first token is held back, and follows it."""
    await teller(workshop)
    workshop.backend.gate.clear()
    row = await workshop.ask(tell(5, wait_ms=0))
    following = asyncio.create_task(_events(workshop, row.id))
    await workshop.backend.was_asked()
    return row, following
