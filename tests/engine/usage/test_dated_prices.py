"""Prices that the operator dates: one that was wrong is corrected for the time it held."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from db.session import Database
from db.tables.models import prices
from engine.definitions import ModelDefinition, PriceDefinition
from engine.registry import Registry
from tests.engine.usage.bookkeeping import NOON
from tests.engine.workshop import told


def priced(**price: Any) -> ModelDefinition:
    (version,) = told().versions
    changed = version.model_copy(update={"price": PriceDefinition.model_validate(price)})
    return told().model_copy(update={"versions": [changed]})


async def stored(database: Database) -> list[tuple[datetime, int | None]]:
    statement = select(prices.c.valid_from, prices.c.nanos_per_prediction).order_by(prices.c.valid_from)
    async with database.read() as connection:
        return [(at, nanos) for at, nanos in (await connection.execute(statement)).all()]


async def test_a_price_with_a_date_holds_from_then_on_and_is_corrected_by_its_date(
    any_database: Database,
) -> None:
    registry = Registry(any_database)
    later = NOON + timedelta(days=1)

    said = [
        [change.what for change in await registry.apply([priced(valid_from=at, per_prediction=amount)])]
        for at, amount in ((NOON, "0.1"), (later, "0.2"), (NOON, "0.3"), (NOON, "0.3"))
    ]

    assert said[1:] == [["set price"], ["correct price"], []]
    assert await stored(any_database) == [(NOON, 300_000_000), (later, 200_000_000)]
