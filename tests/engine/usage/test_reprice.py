"""Repricing: what has ended is charged by the right price, everywhere at once."""

import asyncio
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import insert, select

from db.tables import AuditRow, PriceRow
from db.tables.audit import audit
from db.tables.models import prices
from db.tables.predictions import predictions
from engine.errors import InvalidInputError
from engine.usage import reprice as repricing
from engine.usage.ledger import Folding
from engine.usage.reprice import Repriced, reprice
from engine.usage.verify import differences
from tests.engine.usage.bookkeeping import NOON, Books, hours

YESTERDAY = NOON - hours(24)
TODAY = (NOON - hours(12), NOON + hours(12))


async def price(books: Books, nanos: int, since: datetime = YESTERDAY, **columns: Any) -> None:
    row = PriceRow(model_version_id=books.version.id, valid_from=since, nanos_per_prediction=nanos, **columns)
    async with books.database.write() as connection:
        await connection.execute(insert(prices).values(row.model_dump()))


async def again(books: Books, since: datetime = TODAY[0], until: datetime = TODAY[1]) -> Repriced:
    return await reprice(books.database, books.project.id, since, until, actor="test")


async def costs(books: Books) -> list[tuple[int | None, str | None]]:
    statement = select(predictions.c.cost_nanos, predictions.c.currency)
    async with books.database.read() as connection:
        found = await connection.execute(statement.order_by(predictions.c.finished_at, predictions.c.id))
        return [(nanos, currency) for nanos, currency in found.all()]


async def audited(books: Books) -> list[AuditRow]:
    async with books.database.read() as connection:
        return list((await connection.execute(select(audit))).all())  # type: ignore[arg-type]


async def test_predictions_ledger_rollups_and_audit_change_together(books: Books) -> None:
    await books.book(books.used(), books.used(NOON + hours(3), cost_nanos=None, currency=None))
    await Folding(books.database).fold()
    await price(books, 2_000, currency="EUR")

    repriced = await again(books)

    assert (repriced.predictions, dict(repriced.before), dict(repriced.after)) == (
        2,
        {"USD": 1_500},
        {"EUR": 4_000},
    )
    assert await costs(books) == [(2_000, "EUR"), (2_000, "EUR")]
    assert [(row.currency, row.cost_nanos, row.unpriced) for row in await books.rollups()] == [
        ("EUR", 2_000, 0),
        ("EUR", 2_000, 0),
    ]
    assert await differences(books.database) == []
    (note,) = await audited(books)
    assert (note.actor, note.action, note.subject) == ("test", "usage.reprice", "all")
    assert note.details["predictions"] == 2
    assert (note.details["before"], note.details["after"]) == ({"USD": 1_500}, {"EUR": 4_000})


async def test_each_prediction_is_charged_by_the_price_of_its_time(books: Books) -> None:
    await books.book(books.used(), books.used(NOON + hours(2)))
    await price(books, 10)
    await price(books, 20, since=NOON + hours(1))

    await again(books)

    assert await costs(books) == [(10, "USD"), (20, "USD")]


async def test_what_is_outside_the_range_keeps_its_cost_although_it_is_of_the_same_hour(books: Books) -> None:
    await books.book(books.used(NOON + hours(0.2)), books.used(NOON + hours(0.8)))
    await Folding(books.database).fold()
    await price(books, 10)

    await again(books, since=NOON + hours(0.5))

    assert await costs(books) == [(1_500, "USD"), (10, "USD")]
    assert [row.cost_nanos for row in await books.rollups()] == [1_510]


async def test_cached_answers_stay_free_and_what_used_nothing_stays_unpriced(books: Books) -> None:
    await books.book(
        books.used(cached=True, cost_nanos=0),
        books.used(NOON + hours(1), usage_source=None, status="FAILED", cost_nanos=None, currency=None),
    )
    await price(books, 10)

    repriced = await again(books)

    assert repriced.predictions == 0
    assert await costs(books) == [(0, "USD"), (None, None)]
    assert await audited(books) == []


async def test_repeating_it_changes_nothing(books: Books) -> None:
    await books.book(books.used())
    await price(books, 10)

    changed = [(await again(books)).predictions for _ in range(2)]

    assert changed == [1, 0]
    assert len(await audited(books)) == 1


async def test_pages_and_folding_at_the_same_time_keep_the_sums_equal(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repricing, "PAGE", 7)
    await books.book(*(books.used(NOON + hours(number / 20)) for number in range(60)))
    await price(books, 10)
    folding = Folding(books.database)

    async def fold() -> None:
        for _ in range(10):
            await folding.fold()

    repriced, _ = await asyncio.gather(again(books), fold())
    while await folding.fold():
        pass

    assert repriced.predictions == 60
    assert set(await costs(books)) == {(10, "USD")}
    assert await differences(books.database) == []
    assert sum(row.predictions for row in await books.rollups()) == 60


async def test_an_empty_range_is_refused(books: Books) -> None:
    with pytest.raises(InvalidInputError):
        await again(books, since=TODAY[1])
