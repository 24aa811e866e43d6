"""Shadows: copies that never delay or change an answer."""

import asyncio

import pytest

from db.tables import PredictionRow
from engine.errors import ModelError
from engine.usage.ledger import part_of
from engine.values import CacheMode
from tests.background import until
from tests.engine.limits.money import set_budget
from tests.engine.routing.fleet import Fleet


async def shadowed(fleet: Fleet, rate: float = 1.0, **pointing: object) -> None:
    """Points the alias at version 1, and its shadow at version 3."""
    await fleet.alias(targets={"1": 1}, shadow=("3", rate))


async def copies(fleet: Fleet, number: int) -> list[PredictionRow]:
    """Waits until so many copies have ended, and returns them."""
    async with asyncio.timeout(20):
        while True:
            stored = await fleet.workshop.all_stored()
            found = [row for row in stored if row.shadow_of is not None and row.finished_at is not None]
            if len(found) >= number:
                return found
            await asyncio.sleep(0.01)


async def test_a_shadow_gets_a_copy_that_is_a_prediction_of_its_own(any_fleet: Fleet) -> None:
    await shadowed(any_fleet)

    row = await any_fleet.ask(x=7, metadata={"a": 1})

    (copy,) = await copies(any_fleet, 1)
    assert any_fleet.went(row) == ("SUCCEEDED", "1", None, 1)
    assert any_fleet.went(copy) == ("SUCCEEDED", "3", None, 1)
    assert (copy.shadow_of, copy.alias_id, copy.input) == (row.id, row.alias_id, {"records": [{"x": 7}]})
    assert (copy.api_key_id, copy.request_id, copy.cost_nanos) == (row.api_key_id, row.request_id, 1000)
    assert (part_of(row), part_of(copy)) == ("ARM", "SHADOW")


async def test_a_shadow_that_hangs_or_fails_neither_delays_nor_changes_the_answer(fleet: Fleet) -> None:
    await shadowed(fleet)
    fleet.backend("3").gate.clear()

    rows = [await fleet.ask() for _ in range(2)]

    assert [row.status for row in rows] == ["SUCCEEDED", "SUCCEEDED"]
    fleet.backend("3").error = ModelError("No.")
    fleet.backend("3").gate.set()
    assert {copy.status for copy in await copies(fleet, 2)} == {"FAILED"}


async def test_more_copies_than_may_run_are_left_out_and_counted(fleet: Fleet) -> None:
    await shadowed(fleet)
    fleet.backend("3").gate.clear()

    rows = [await fleet.ask() for _ in range(5)]

    assert {row.status for row in rows} == {"SUCCEEDED"}
    assert fleet.workshop.here.shadows.dropped == 3
    fleet.backend("3").gate.set()
    assert len(await copies(fleet, 2)) == 2


async def test_a_shadow_whose_circuit_is_open_gets_nothing(fleet: Fleet) -> None:
    await shadowed(fleet)
    fleet.backend("3").error = ModelError("Down.", retryable=True)
    for number in range(5):
        await fleet.ask()
        await copies(fleet, number + 1)

    await fleet.ask()

    assert fleet.workshop.here.shadows.dropped == 1
    assert len(fleet.backend("3").calls) == 5


@pytest.mark.parametrize(("luck", "made"), [(0.29, 1), (0.3, 0)])
async def test_the_rate_decides_who_is_copied(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, luck: float, made: int
) -> None:
    await shadowed(fleet, 0.3)
    monkeypatch.setattr("engine.shadows.random.random", lambda: luck)

    await fleet.ask()

    await until(lambda: len(fleet.backend("3").calls) == made)
    assert fleet.workshop.here.shadows.dropped == 0
    await copies(fleet, made)


async def test_what_the_cache_answers_is_not_copied(fleet: Fleet) -> None:
    await shadowed(fleet)

    for _ in range(3):
        await fleet.ask(cache=CacheMode.USE)

    await copies(fleet, 1)
    assert len(fleet.backend("3").calls) == 1


async def test_a_copy_waits_behind_the_callers_of_its_version(fleet: Fleet) -> None:
    await shadowed(fleet)
    fleet.version("3").spec.config.update(maxConcurrency=1)
    fleet.backend("3").gate.clear()
    first = asyncio.create_task(fleet.ask(x=1, named="3"))
    await fleet.backend("3").was_asked()
    await fleet.ask(x=2)
    second = asyncio.create_task(fleet.ask(x=3, named="3"))
    await until(lambda: len(fleet.workshop.here.runs) == 3)
    await asyncio.sleep(0.05)

    fleet.backend("3").gate.set()
    await asyncio.gather(first, second)
    await copies(fleet, 1)

    asked = [call.value["records"][0]["x"] for call in fleet.backend("3").calls]
    assert asked == [1, 3, 2]


async def test_a_copy_whose_process_died_is_run_again_by_its_own_version_alone(fleet: Fleet) -> None:
    await fleet.alias(targets={"1": 1}, shadow=("3", 1.0), fallbacks=("2",))
    fleet.backend("3").gate.clear()
    row = await fleet.ask()
    await fleet.backend("3").was_asked()
    (open_copy,) = [each for each in await fleet.workshop.all_stored() if each.shadow_of == row.id]
    await fleet.workshop.abandon(open_copy.id)
    fleet.backend("3").error = ModelError("Down.", retryable=True)
    fleet.backend("3").gate.set()

    await fleet.workshop.here.recovery.take_over()

    (copy,) = await copies(fleet, 1)
    assert fleet.went(copy) == ("FAILED", "3", None, 2)
    assert fleet.backend("2").calls == []


async def test_a_copy_that_a_budget_does_not_cover_is_left_out(fleet: Fleet) -> None:
    await shadowed(fleet)
    await set_budget(fleet.workshop, 1500)

    row = await fleet.ask()

    await until(lambda: fleet.workshop.here.shadows.dropped == 1)
    assert (row.status, row.cost_nanos) == ("SUCCEEDED", 1000)
    assert fleet.backend("3").calls == []
    assert [each.id for each in await fleet.workshop.all_stored()] == [row.id]
