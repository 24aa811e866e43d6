"""Where a prediction goes, and who stands in."""

import asyncio
from collections import Counter

import pytest

from engine.errors import (
    ContentFilteredError,
    InvalidInputError,
    ModelError,
    ModelNotReadyError,
    ModelOverloadedError,
    NotFoundError,
    ThrottledError,
)
from engine.usage.ledger import part_of
from engine.values import CacheMode, CircuitState
from tests.engine.routing.fleet import Fleet

DOWN = ModelError("It is down.", retryable=True)


async def test_an_alias_leads_to_its_target_and_the_prediction_tells_it(fleet: Fleet) -> None:
    alias = await fleet.alias(targets={"2": 1})

    row = await fleet.ask()

    assert fleet.went(row) == ("SUCCEEDED", "2", None, 1)
    assert (row.alias_id, part_of(row)) == (alias.id, "ARM")


async def test_without_a_version_the_alias_default_goes_before_the_default_version(fleet: Fleet) -> None:
    before = await fleet.ask(alias=None)
    await fleet.alias("default", targets={"1": 1})

    after = await fleet.ask(alias=None)

    assert (fleet.went(before)[1], fleet.went(after)[1]) == ("3", "1")
    assert (part_of(before), part_of(after)) == ("", "ARM")


async def test_an_alias_that_the_model_has_not_is_not_found(fleet: Fleet) -> None:
    with pytest.raises(NotFoundError) as refused:
        await fleet.ask(alias="staging")

    assert refused.value.path == ("input", "version", "alias")


async def test_a_sticky_key_keeps_its_caller_on_one_target_and_others_are_split(fleet: Fleet) -> None:
    await fleet.alias(targets={"1": 70, "2": 30})

    same = {fleet.went(await fleet.ask(sticky_key="user 7"))[1] for _ in range(5)}
    many = Counter([fleet.went(await fleet.ask(sticky_key=f"user {n}"))[1] for n in range(60)])

    assert len(same) == 1
    assert set(many) == {"1", "2"}


@pytest.mark.parametrize("key", ["", "x" * 257])
async def test_a_sticky_key_is_of_1_to_256_characters(fleet: Fleet, key: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await fleet.ask(alias=None, sticky_key=key)

    assert refused.value.path == ("input", "stickyKey")


async def test_what_fails_goes_on_to_the_fallbacks_in_order_and_says_who_answered(any_fleet: Fleet) -> None:
    await any_fleet.alias(targets={"1": 1}, fallbacks=("3", "2"))
    any_fleet.backend("1").error = any_fleet.backend("3").error = DOWN

    row = await any_fleet.ask(x=5)

    assert any_fleet.went(row) == ("SUCCEEDED", "2", "1", 3)
    assert part_of(row) == "FALLBACK"
    assert (await any_fleet.workshop.stored(row.id)).output == {"results": [{"value": 5}]}


async def test_the_other_targets_stand_in_before_the_fallbacks(fleet: Fleet) -> None:
    await fleet.alias(targets={"1": 1, "2": 1}, fallbacks=("3",))
    drawn = fleet.answered(await fleet.ask())
    fleet.backend(drawn).error = DOWN

    row = await fleet.ask()

    assert fleet.went(row) == ("SUCCEEDED", {"1": "2", "2": "1"}[drawn], drawn, 2)


async def test_what_would_fail_elsewhere_too_is_not_tried_elsewhere(fleet: Fleet) -> None:
    await fleet.alias(targets={"1": 1}, fallbacks=("2",))
    fleet.backend("1").error = ContentFilteredError()

    row = await fleet.ask()

    assert fleet.went(row) == ("FAILED", "1", None, 1)
    assert fleet.backend("2").calls == []


async def test_a_version_that_was_asked_for_by_name_has_no_fallback(fleet: Fleet) -> None:
    await fleet.alias(targets={"1": 1}, fallbacks=("2",))
    fleet.backend("1").error = DOWN

    row = await fleet.ask(alias=None)
    named = await fleet.ask(named="1")

    assert fleet.went(row) == ("SUCCEEDED", "3", None, 1)
    assert fleet.went(named) == ("FAILED", "1", None, 1)


async def test_when_all_fail_the_last_failure_is_the_answer(fleet: Fleet) -> None:
    await fleet.alias(targets={"1": 1}, fallbacks=("2",))
    fleet.backend("1").error, fleet.backend("2").error = DOWN, ModelError("Down too.", retryable=True)

    row = await fleet.ask()

    assert fleet.went(row) == ("FAILED", "2", "1", 2)
    assert row.error is not None
    assert (row.error["message"], row.error["retryable"]) == ("Down too.", True)


async def test_an_open_circuit_is_passed_over_without_a_call(fleet: Fleet) -> None:
    await fleet.alias(targets={"1": 1}, fallbacks=("2",))
    fleet.backend("1").error = DOWN
    for _ in range(5):
        await fleet.ask()
    assert fleet.workshop.here.router.circuits.state(fleet.version("1").row.id) is CircuitState.OPEN

    row = await fleet.ask()

    assert fleet.went(row) == ("SUCCEEDED", "2", "1", 1)
    assert len(fleet.backend("1").calls) == 5


async def test_when_every_circuit_is_open_the_request_is_refused_before_anything_is_stored(
    fleet: Fleet,
) -> None:
    await fleet.alias(targets={"1": 1})
    fleet.backend("1").error = DOWN
    for _ in range(5):
        await fleet.ask()
    before = len(await fleet.workshop.all_stored())

    with pytest.raises(ModelNotReadyError, match="failed too often of late") as refused:
        await fleet.ask()

    assert (refused.value.status, refused.value.retryable) == ("DEGRADED", True)
    assert 0 < (refused.value.retry_after_seconds or 0) <= 5
    assert len(await fleet.workshop.all_stored()) == before


async def test_a_version_that_is_late_counts_as_one_that_failed(fleet: Fleet) -> None:
    await fleet.alias(targets={"1": 1})
    fleet.backend("1").gate.clear()

    rows = await asyncio.gather(*(fleet.ask(deadline_ms=20) for _ in range(5)))

    assert {row.status for row in rows} == {"FAILED"}
    assert fleet.workshop.here.router.circuits.state(fleet.version("1").row.id) is CircuitState.OPEN


async def test_a_throttled_version_is_left_alone_for_as_long_as_it_says(fleet: Fleet) -> None:
    await fleet.alias(targets={"1": 1}, fallbacks=("2",))
    fleet.backend("1").error = ThrottledError(retry_after_seconds=60)

    first, second = await fleet.ask(), await fleet.ask()

    assert fleet.went(first) == ("SUCCEEDED", "2", "1", 2)
    assert fleet.went(second) == ("SUCCEEDED", "2", "1", 1)
    assert fleet.workshop.here.router.circuits.state(fleet.version("1").row.id) is CircuitState.CLOSED


async def test_a_version_that_is_full_sends_callers_to_its_fallback_and_else_refuses_them(
    fleet: Fleet,
) -> None:
    await fleet.alias("alone", targets={"1": 1})
    await fleet.alias(targets={"1": 1}, fallbacks=("2",))
    fleet.version("1").spec.config.update(maxConcurrency=1, maxQueue=1)
    fleet.backend("1").gate.clear()
    running = [asyncio.create_task(fleet.ask(alias="alone")) for _ in range(2)]
    await fleet.backend("1").was_asked()

    stood_in = await fleet.ask()
    with pytest.raises(ModelOverloadedError) as refused:
        await fleet.ask(alias="alone")

    assert fleet.went(stood_in) == ("SUCCEEDED", "2", "1", 1)
    assert refused.value.retry_after_seconds
    fleet.backend("1").gate.set()
    assert [row.status for row in await asyncio.gather(*running)] == ["SUCCEEDED", "SUCCEEDED"]
    assert fleet.went(await fleet.ask(alias="alone"))[0] == "SUCCEEDED"


async def test_what_a_fallback_answered_is_not_kept_as_the_answer_of_the_version_that_was_asked(
    fleet: Fleet,
) -> None:
    await fleet.alias(targets={"1": 1}, fallbacks=("2",))
    fleet.backend("1").error = DOWN
    first = await fleet.ask(cache=CacheMode.USE)
    fleet.backend("1").error = None

    second, third = await fleet.ask(cache=CacheMode.USE), await fleet.ask(cache=CacheMode.USE)

    assert [fleet.went(row)[1] for row in (first, second, third)] == ["2", "1", "1"]
    assert [row.cached for row in (first, second, third)] == [False, False, True]


async def test_an_alias_moved_under_load_leaves_each_answer_with_the_version_that_gave_it(
    fleet: Fleet,
) -> None:
    await fleet.alias(targets={"1": 1})
    rows = []

    async def ask(number: int) -> None:
        rows.append(await fleet.ask(x=number))

    async with asyncio.TaskGroup() as group:
        for number in range(150):
            group.create_task(ask(number))
            if number % 50 == 49:
                await fleet.alias(targets={str(number // 50 + 1): 1})
            await asyncio.sleep(0)

    answered = Counter(fleet.answered(row) for row in rows)
    assert answered == {name: len(fleet.backend(name).calls) for name in answered}
    assert sum(answered.values()) == 150
    assert len(answered) > 1
