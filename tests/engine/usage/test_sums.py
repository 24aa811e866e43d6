"""However predictions end, they, the ledger and the rollups have the same sums."""

import asyncio

from engine.errors import ModelError
from engine.usage.ledger import Folding
from engine.usage.verify import differences
from engine.values import CacheMode
from tests.engine.usage.bookkeeping import Books
from tests.engine.workshop import Workshop, request


async def test_predictions_that_end_in_every_way_leave_equal_sums(any_workshop: Workshop) -> None:
    workshop = any_workshop
    folding = Folding(workshop.database)

    await asyncio.gather(*(workshop.predict(x) for x in range(10)), folding.fold())
    for _ in range(2):
        await workshop.ask(request(1, cache=CacheMode.USE))
    workshop.backend.error = ModelError("bad", retryable=False)
    await workshop.predict()
    workshop.backend.error = None
    workshop.backend.gate.clear()
    waiting = await workshop.predict(wait_ms=0)
    await workshop.here.predictor.cancel(workshop.viewer, waiting.id)
    await workshop.ended(waiting.id)
    before = await differences(workshop.database)
    while await folding.fold():
        pass

    assert before == await differences(workshop.database) == []
    rows = await workshop.all_stored()
    assert sorted({row.status for row in rows}) == ["CANCELED", "FAILED", "SUCCEEDED"]
    assert [row.cost_nanos for row in rows if row.cached] == [0]


async def test_a_hundred_books_at_once_leave_equal_sums(books: Books) -> None:
    folding = Folding(books.database)

    await asyncio.gather(
        *(books.book(books.used(cost_nanos=number)) for number in range(100)), folding.fold()
    )
    while await folding.fold():
        pass

    assert sum(row.cost_nanos for row in await books.rollups()) == sum(range(100))
    assert await differences(books.database) == []
