from sqlalchemy import update

from db.tables.usage import rollups, usage
from engine.usage.ledger import Folding
from engine.usage.verify import Difference, differences
from tests.engine.usage.bookkeeping import NOON, Books, hours


async def test_equal_books_have_no_differences_folded_or_not(books: Books) -> None:
    await books.book(books.used(), books.used(status="FAILED", cost_nanos=None, currency=None))
    await Folding(books.database).fold()
    await books.book(books.used(NOON + hours(1), currency="EUR", cached=True, cost_nanos=0))
    await books.book(books.used(cost_nanos=2**40, input_tokens=7, cached_input_tokens=1, output_tokens=2))

    assert await differences(books.database) == []


async def test_a_nano_dollar_that_is_missing_is_found_and_named(books: Books) -> None:
    await books.book(books.used(), books.used())
    await Folding(books.database).fold()
    async with books.database.write() as connection:
        await connection.execute(update(rollups).values(cost_nanos=rollups.c.cost_nanos - 1))

    (found,) = await differences(books.database)

    assert found == Difference(books.project.id, "USD", "cost_nanos", 3_000, 3_000, 2_999, 3_000)


async def test_a_row_that_is_marked_and_not_added_is_found(books: Books) -> None:
    await books.book(books.used())
    async with books.database.write() as connection:
        await connection.execute(update(usage).values(folded=True))

    found = {
        each.what: (each.predictions, each.ledger, each.hours, each.days)
        for each in await differences(books.database)
    }

    assert found == {"predictions": (1, 1, 0, 0), "records": (1, 1, 0, 0), "cost_nanos": (1_500, 1_500, 0, 0)}
