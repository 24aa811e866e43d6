"""Budgets are hard: reserved before, settled after, however a prediction ends."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import update

from db.tables.budgets import budgets
from engine.definitions import PriceDefinition
from engine.errors import BudgetExceededError, InternalError, InvalidInputError
from engine.standing import BudgetWindow, LimitScope
from engine.values import CacheMode
from tests.engine.limits.money import all_budgets, books, only_budget, set_budget, told
from tests.engine.limits.texts import tell, teller
from tests.engine.workshop import Workshop, request

PRICE = 1000
"""Nano units of a prediction of the told model."""


async def test_a_prediction_spends_its_price(any_workshop: Workshop) -> None:
    await set_budget(any_workshop, 5 * PRICE)

    await any_workshop.predict()

    assert await books(any_workshop) == (PRICE, 0, 0)


async def test_what_runs_is_reserved_and_what_does_not_fit_is_refused_before_the_backend_is_asked(
    any_workshop: Workshop,
) -> None:
    await set_budget(any_workshop, 2 * PRICE)
    any_workshop.backend.gate.clear()
    running = [await any_workshop.predict(x, wait_ms=0) for x in range(2)]
    await any_workshop.backend.was_asked(2)

    meanwhile = await books(any_workshop)
    with pytest.raises(BudgetExceededError) as refused:
        await any_workshop.predict(3)
    any_workshop.backend.gate.set()
    for row in running:
        await any_workshop.ended(row.id)

    assert meanwhile == (0, 2 * PRICE, 2 * PRICE)
    assert await books(any_workshop) == (2 * PRICE, 0, 0)
    assert len(any_workshop.backend.calls) == 2
    assert len(await any_workshop.all_stored()) == 2
    assert refused.value.retryable  # what runs may cost less than was reserved for it
    assert refused.value.budget is not None
    assert refused.value.budget.reserved_nanos == 2 * PRICE


async def test_a_budget_that_is_spent_says_when_it_begins_anew(workshop: Workshop) -> None:
    await set_budget(workshop, PRICE, BudgetWindow.DAY)
    await workshop.predict()

    with pytest.raises(BudgetExceededError) as refused:
        await workshop.predict(2)

    budget = refused.value.budget
    assert budget is not None
    assert not refused.value.retryable
    assert (budget.window, budget.scope, budget.spent_nanos) == (BudgetWindow.DAY, LimitScope.PROJECT, PRICE)
    assert budget.reset_at is not None
    assert budget.reset_at.hour == 0
    assert "begins anew at" in refused.value.message


async def test_failed_canceled_and_late_predictions_give_back_what_they_reserved(workshop: Workshop) -> None:
    await set_budget(workshop, 9 * PRICE)
    workshop.backend.error = InternalError()
    await workshop.predict()
    workshop.backend.error = None
    workshop.backend.gate.clear()
    canceled = await workshop.predict(2, wait_ms=0)
    await workshop.here.predictor.cancel(workshop.viewer, canceled.id)
    await workshop.ask(request(3, deadline_ms=1))

    assert await books(workshop) == (0, 0, 0)


async def test_a_known_answer_costs_nothing_and_is_never_refused(workshop: Workshop) -> None:
    await set_budget(workshop, PRICE)
    await workshop.ask(request(1, cache=CacheMode.USE))

    again = await workshop.ask(request(1, cache=CacheMode.USE))

    assert again.cached
    assert await books(workshop) == (PRICE, 0, 0)


async def test_a_repetition_spends_nothing(workshop: Workshop) -> None:
    await set_budget(workshop, PRICE)
    first = await workshop.ask(request(1, idempotency_key="k"))

    again = await workshop.ask(request(1, idempotency_key="k"))

    assert again.id == first.id
    assert await books(workshop) == (PRICE, 0, 0)


async def test_the_budgets_of_key_and_project_hold_both_or_neither_is_touched(any_workshop: Workshop) -> None:
    await set_budget(any_workshop, 10 * PRICE, BudgetWindow.MONTH)
    await set_budget(any_workshop, PRICE, BudgetWindow.DAY, of_key=True)
    await any_workshop.predict()

    with pytest.raises(BudgetExceededError) as refused:
        await any_workshop.predict(2)

    assert refused.value.budget is not None
    assert refused.value.budget.scope is LimitScope.KEY
    rows = await all_budgets(any_workshop)
    assert [(row.spent_nanos, row.reserved_nanos) for row in rows] == [(PRICE, 0), (PRICE, 0)]


async def test_a_new_day_begins_with_nothing_spent_and_what_runs_still_reserved(
    any_workshop: Workshop,
) -> None:
    await set_budget(any_workshop, 2 * PRICE, BudgetWindow.DAY)
    await any_workshop.predict()
    any_workshop.backend.gate.clear()
    running = await any_workshop.predict(2, wait_ms=0)
    start = (await only_budget(any_workshop)).period_start
    async with any_workshop.database.write() as connection:
        await connection.execute(update(budgets).values(period_start=start - timedelta(days=1)))

    await any_workshop.predict(3, wait_ms=0)

    row = await only_budget(any_workshop)
    assert (row.spent_nanos, row.reserved_nanos, row.period_start) == (0, 2 * PRICE, start)
    any_workshop.backend.gate.set()
    await any_workshop.ended(running.id)


async def test_what_has_no_price_in_the_budgets_currency_is_refused_unless_that_is_allowed(
    workshop: Workshop,
) -> None:
    await set_budget(workshop, 100 * PRICE, currency="EUR")

    with pytest.raises(BudgetExceededError, match="FORETELL_BUDGETS_UNKNOWN_PRICE"):
        await workshop.predict()
    workshop.here.budgets._allows_unpriced = True
    row = await workshop.predict()

    assert row.status == "SUCCEEDED"
    assert await books(workshop) == (0, 0, 0)


async def test_what_a_dead_process_reserved_is_settled_when_its_prediction_ends(
    any_workshop: Workshop,
) -> None:
    await set_budget(any_workshop, 5 * PRICE)
    any_workshop.backend.gate.clear()
    row = await any_workshop.predict(wait_ms=0)
    await any_workshop.backend.was_asked()
    run = any_workshop.here.runs.get(row.id)
    assert run is not None
    assert run.task is not None
    run.task.cancel()
    await asyncio.gather(run.task, return_exceptions=True)
    await any_workshop.abandon(row.id)
    before = await books(any_workshop)
    any_workshop.backend.gate.set()

    other = await any_workshop.process()
    await other.recovery.take_over()
    await any_workshop.ended(row.id)

    assert before == (0, PRICE, PRICE)
    assert await books(any_workshop) == (PRICE, 0, 0)


async def test_thresholds_are_told_once_each(workshop: Workshop) -> None:
    await set_budget(workshop, 10 * PRICE, callback_url="http://127.0.0.1/hook")
    for x in range(10):
        await workshop.predict(x)
    for _ in range(2):
        with pytest.raises(BudgetExceededError):
            await workshop.predict(11)

    found = await told(workshop)

    assert [(each["threshold"], each["spent"]["amount"]) for each in found] == [
        (50, "0.000005"),
        (80, "0.000008"),
        (100, "0.00001"),
    ]
    assert {each["window"] for each in found} == {"TOTAL"}


async def test_a_budget_that_no_price_fits_into_any_more_is_told_of_as_used_up(workshop: Workshop) -> None:
    await set_budget(workshop, 6 * PRICE // 5, callback_url="http://127.0.0.1/hook")
    await workshop.predict()
    before = [each["threshold"] for each in await told(workshop)]

    for _ in range(2):
        with pytest.raises(BudgetExceededError):
            await workshop.predict(2)

    assert before == [50, 80]
    assert [each["threshold"] for each in await told(workshop)] == [50, 80, 100]


async def test_a_refusal_while_much_is_left_says_nothing_of_the_budget(workshop: Workshop) -> None:
    await set_budget(workshop, PRICE - 1, callback_url="http://127.0.0.1/hook")

    with pytest.raises(BudgetExceededError):
        await workshop.predict()

    assert await told(workshop) == []


async def test_what_is_free_fits_into_a_budget_that_is_overspent(workshop: Workshop) -> None:
    await set_budget(workshop, PRICE)
    await workshop.predict()
    await set_budget(workshop, PRICE // 2)
    free = {"per_prediction": "0", "input_per_million_tokens": "0", "output_per_million_tokens": "0"}
    await teller(workshop, price=PriceDefinition.model_validate(free))

    row = await workshop.ask(tell(10))

    assert row.status == "SUCCEEDED"
    assert await books(workshop) == (PRICE, 0, 0)


async def test_thresholds_are_told_anew_in_the_next_window(workshop: Workshop) -> None:
    await set_budget(workshop, 2 * PRICE, BudgetWindow.MONTH, callback_url="http://127.0.0.1/hook")
    await workshop.predict()
    row = await only_budget(workshop)
    async with workshop.database.write() as connection:
        await connection.execute(update(budgets).values(period_start=row.period_start - timedelta(days=1)))

    await workshop.predict(2)

    assert [each["threshold"] for each in await told(workshop)] == [50, 50]


async def test_a_budget_can_be_changed_and_taken_away_while_work_runs(any_workshop: Workshop) -> None:
    await set_budget(any_workshop, PRICE)
    any_workshop.backend.gate.clear()
    row = await any_workshop.predict(wait_ms=0)
    await set_budget(any_workshop, 5 * PRICE)
    changed = await books(any_workshop)
    await set_budget(any_workshop, None)
    any_workshop.backend.gate.set()
    await any_workshop.ended(row.id)
    gone = await all_budgets(any_workshop)
    await any_workshop.predict(2)

    assert changed == (0, PRICE, PRICE)
    assert gone == []


@pytest.mark.parametrize("nanos", [-1, 10**18 + 1])
async def test_a_budget_has_limits_of_its_own(workshop: Workshop, nanos: int) -> None:
    with pytest.raises(InvalidInputError):
        await set_budget(workshop, nanos)
