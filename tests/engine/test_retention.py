"""Retention: what was asked and answered goes, what was used stays."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from db.queries import retention as queries
from db.session import Database
from db.tables import ProjectRow
from db.tables.keys import projects
from db.tables.predictions import predictions
from db.types import now
from engine import retention
from engine.retention import FOREVER, Retention
from engine.usage.ledger import Folding
from engine.usage.verify import differences
from tests.engine.usage.bookkeeping import Books, opened_books

OLD, YOUNG = timedelta(days=31), timedelta(days=29)
CONTENT = {"input": {"prompt": "?"}, "output": {"text": "!"}, "explanation": {"method": "OCCLUSION"}}


@pytest.fixture
async def books(any_database: Database) -> Books:
    return await opened_books(any_database)


async def kept(books: Books) -> list[bool]:
    """Tells of each prediction, the oldest first, whether its content is there: all of it or nothing."""
    columns = [predictions.c[name] for name in CONTENT]
    statement = select(*columns).order_by(predictions.c.finished_at, predictions.c.id)
    async with books.database.read() as connection:
        rows = (await connection.execute(statement)).all()
    assert all(len({value is None for value in row}) == 1 for row in rows)
    return [row.input is not None for row in rows]


async def test_what_is_old_is_purged_and_its_usage_kept(books: Books) -> None:
    await books.book(books.used(now() - OLD, **CONTENT), books.used(now() - YOUNG, **CONTENT))

    purged = await Retention(books.database, 30).sweep()

    assert purged == 1
    assert await kept(books) == [False, True]
    await Folding(books.database).fold()
    assert [row.predictions for row in await books.rollups()] == [1, 1]
    assert await differences(books.database) == []


async def test_nothing_is_purged_without_a_setting(books: Books) -> None:
    await books.book(books.used(now() - OLD, **CONTENT))

    assert await Retention(books.database, None).sweep() == 0
    assert await kept(books) == [True]


@pytest.mark.parametrize(
    ("days", "expected"), [(1, [False, False]), (FOREVER, [True, True]), (None, [False, True])]
)
async def test_a_project_keeps_for_as_long_as_it_says(
    books: Books, days: int | None, expected: list[bool]
) -> None:
    await books.book(books.used(now() - OLD, **CONTENT), books.used(now() - YOUNG, **CONTENT))
    async with books.database.write() as connection:
        await queries.keep_for(connection, books.project.id, days)

    await Retention(books.database, 30).sweep()

    assert await kept(books) == expected


async def test_many_of_the_same_moment_are_purged_in_batches(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 10)
    moment = now() - OLD
    await books.book(*(books.used(moment, **CONTENT) for _ in range(35)))

    purged = await Retention(books.database, 30).sweep()

    assert purged == 35
    assert set(await kept(books)) == {False}


async def test_what_was_purged_is_not_looked_at_again(books: Books) -> None:
    await books.book(books.used(now() - 2 * OLD, **CONTENT), books.used(now() - OLD, **CONTENT))

    swept = [await Retention(books.database, days).sweep() for days in (60, 60, 30, 30)]

    assert swept == [1, 0, 1, 0]
    assert await kept(books) == [False, False]
    (project,) = await all_projects(books)
    assert project.purged_until is not None


async def all_projects(books: Books) -> list[ProjectRow]:
    async with books.database.read() as connection:
        return list((await connection.execute(select(projects))).all())  # type: ignore[arg-type]


async def test_two_sweepers_purge_everything(books: Books) -> None:
    await books.book(
        *(books.used(now() - OLD - timedelta(seconds=number), **CONTENT) for number in range(50))
    )

    await asyncio.gather(*(Retention(books.database, 30).sweep() for _ in range(2)))

    assert set(await kept(books)) == {False}


async def test_an_open_prediction_keeps_its_input(books: Books) -> None:
    row = books.used(now() - OLD, **CONTENT)
    await books.book(row)
    async with books.database.write() as connection:
        still_open = update(predictions).where(predictions.c.id == row.id)
        await connection.execute(still_open.values(status="RUNNING", finished_at=None))

    assert await Retention(books.database, 30).sweep() == 0
    assert await kept(books) == [True]
