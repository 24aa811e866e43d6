"""The ledger and its folding: every row is added to exactly one rollup, whatever dies."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Select, select, text

from db.queries.usage import UNFOLDED
from db.session import Database
from db.tables.usage import usage
from engine.usage.ledger import FOLD_AT_ONCE, Folding
from tests.engine.usage.bookkeeping import NOON, Books, hours
from tests.engine.usage.library import loads


class PowerCutError(Exception):
    """What a transaction that dies in the middle meets."""


@contextmanager
def dying_at(database: Database, words: str) -> Iterator[None]:
    """Lets every statement with these words fail, as one does whose connection is cut."""

    def cut(statement: str) -> None:
        if words in statement:
            raise PowerCutError

    with database.watched(cut):
        yield


async def test_rows_are_added_up_by_hour_and_currency(books: Books) -> None:
    await books.book(
        books.used(NOON),
        books.used(NOON + hours(0.99), status="FAILED", cost_nanos=None, currency=None),
        books.used(NOON + hours(1), cached=True, cost_nanos=0),
        books.used(
            NOON, currency="EUR", cost_nanos=7, input_tokens=5, cached_input_tokens=2, output_tokens=3
        ),
    )

    folded = await Folding(books.database).fold()

    assert folded == 4
    found = {(row.hour, row.currency): row for row in await books.rollups()}
    assert {key: (row.predictions, row.cost_nanos) for key, row in found.items()} == {
        (NOON, ""): (1, 0),
        (NOON, "EUR"): (1, 7),
        (NOON, "USD"): (1, 1_500),
        (NOON + hours(1), "USD"): (1, 0),
    }
    euros = found[NOON, "EUR"]
    assert (euros.input_tokens, euros.cached_input_tokens, euros.output_tokens, euros.records) == (5, 2, 3, 1)
    assert (found[NOON, ""].failed, found[NOON, ""].unpriced, found[NOON + hours(1), "USD"].cached) == (
        1,
        1,
        1,
    )


async def test_a_second_fold_adds_to_what_the_first_made(books: Books) -> None:
    folding = Folding(books.database)
    for _ in range(2):
        await books.book(books.used(total_ms=5.0), books.used(total_ms=500.0))
        await folding.fold()

    (rollup,) = await books.rollups()

    assert (rollup.predictions, rollup.cost_nanos, loads(rollup.latency).count) == (4, 6_000, 4)
    assert await folding.fold() == 0


async def test_concurrent_folders_add_each_row_once(books: Books) -> None:
    for _ in range(20):
        await books.book(*(books.used(NOON + hours(hour)) for hour in range(5)))
    folders = [Folding(books.database) for _ in range(4)]

    async def fold(folding: Folding) -> int:
        return sum([await folding.fold() for _ in range(5)])

    async def write() -> None:
        for _ in range(20):
            await books.book(books.used())

    *counts, _ = await asyncio.gather(*map(fold, folders), write())

    rest = await Folding(books.database).fold()
    assert sum(filter(None, counts)) + rest == 120
    assert sum(row.predictions for row in await books.rollups()) == 120
    sums = await books.sums()
    assert sums["predictions"] == sums["ledger"] == sums["hours"] == sums["days"] != []


@pytest.mark.parametrize(
    "statement", ["INSERT INTO usage_rollup", "UPDATE usage_rollup_day", "UPDATE usage SET"]
)
async def test_a_fold_that_dies_adds_nothing_and_the_next_one_adds_everything(
    books: Books, statement: str
) -> None:
    folding = Folding(books.database)
    await books.book(books.used())
    await folding.fold()
    await books.book(books.used(), books.used(NOON + hours(1)))

    with dying_at(books.database, statement), pytest.raises(PowerCutError):
        await folding.fold()

    assert [row.predictions for row in await books.rollups()] == [1]
    sums = await books.sums()
    assert sums["ledger"] == sums["hours"] == sums["days"]
    assert await folding.fold() == 2
    assert [row.predictions for row in await books.rollups()] == [2, 1]


async def test_a_result_whose_ledger_row_can_not_be_written_is_not_stored_either(books: Books) -> None:
    with dying_at(books.database, "INSERT INTO usage"), pytest.raises(PowerCutError):
        await books.book(books.used())

    assert await books.sums() == {"predictions": [], "ledger": [], "hours": [], "days": []}


async def test_more_groups_are_folded_at_once_than_a_condition_can_have(books: Books) -> None:
    await books.book(*(books.used(NOON + hours(number)) for number in range(1_500)))

    folded = await Folding(books.database).fold()

    assert folded == 1_500 < FOLD_AT_ONCE
    assert len(await books.rollups()) == 1_500


async def test_sketches_are_right_to_one_percent(books: Books) -> None:
    durations = [1.07**number for number in range(1, 201)]
    await books.book(*(books.used(total_ms=duration) for duration in durations))
    await Folding(books.database).fold()

    (rollup,) = await books.rollups()

    for q in (0.5, 0.95, 0.99):
        exact = durations[int(q * (len(durations) - 1))]
        assert loads(rollup.latency).get_quantile_value(q) == pytest.approx(exact, rel=0.01)


async def plan(database: Database, statement: Select[Any]) -> str:
    compiled = statement.compile(database.engines[0].sync_engine, compile_kwargs={"literal_binds": True})
    async with database.read() as connection:
        return str((await connection.execute(text(f"EXPLAIN QUERY PLAN {compiled}"))).all())


async def test_what_is_to_fold_is_found_by_an_index_however_long_the_ledger_is(database: Database) -> None:
    oldest = select(usage).where(UNFOLDED).order_by(usage.c.prediction_id).limit(1)
    of_a_project = select(usage).where(UNFOLDED, usage.c.project_id == "p", usage.c.finished_at > NOON)

    assert "USING INDEX ix_usage_unfolded)" in (await plan(database, oldest)).replace("'", "")
    assert "USING INDEX ix_usage_unfolded_project (project_id=?" in await plan(database, of_a_project)
