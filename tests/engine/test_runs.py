"""What those who follow a prediction hear of its run."""

from __future__ import annotations

import asyncio

from engine.events import End
from tests.engine.limits.texts import tell, teller
from tests.engine.workshop import Workshop


async def test_who_follows_a_text_before_its_first_token_waits_for_it(workshop: Workshop) -> None:
    await teller(workshop)
    workshop.backend.gate.clear()
    row = await workshop.ask(tell(5, wait_ms=0))

    following = asyncio.create_task(_events(workshop, row.id))
    await workshop.backend.was_asked()
    assert not following.done()
    workshop.backend.gate.set()

    async with asyncio.timeout(2):
        assert [type(event) for event in await following] == [End]


async def test_who_follows_a_text_that_is_lost_is_sent_elsewhere(workshop: Workshop) -> None:
    await teller(workshop)
    workshop.backend.gate.clear()
    row = await workshop.ask(tell(5, wait_ms=0))

    following = asyncio.create_task(_events(workshop, row.id))
    await workshop.backend.was_asked()
    await workshop.abandon(row.id, owner="another")
    workshop.backend.gate.set()

    async with asyncio.timeout(2):
        assert await following == []


async def _events(workshop: Workshop, prediction_id: str) -> list[object]:
    return [event async for event in workshop.here.bus.follow(prediction_id, 0)]
