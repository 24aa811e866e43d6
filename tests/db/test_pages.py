"""Pages over models with few different times, so that many rows stand at the same place but for their id."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Select, insert, select

from db.pages import Order, Page, Window, read_page, read_page_per_parent
from db.session import Database
from db.tables import ModelRow, ModelVersionRow
from db.tables.models import model_versions, models
from db.types import new_id
from tests.statements import recorded

START = datetime(2026, 1, 1, tzinfo=UTC)
BY_ID = Order("CREATED_AT", (models.c.id,), descending=True)
BY_TIME = Order("UPDATED_AT", (models.c.updated_at, models.c.id), descending=False)
BY_TIME_DOWN = Order("UPDATED_AT", (models.c.updated_at, models.c.id), descending=True)
ORDERS = [BY_ID, BY_TIME, BY_TIME_DOWN]
VERSIONS = Order("CREATED_AT", (model_versions.c.id,), descending=True)
LINK = (model_versions.c.model_id, models.c.id)


def a_model(number: int) -> ModelRow:
    time = START + timedelta(days=number % 4)
    return ModelRow(id=new_id(), name=f"m{number}", display_name="", task="TENSOR", updated_at=time)


async def store(database: Database, rows: Sequence[Any]) -> None:
    async with database.write() as connection:
        for row in rows:
            table = models if isinstance(row, ModelRow) else model_versions
            await connection.execute(insert(table).values(row.model_dump()))


async def read(
    database: Database, order: Order, window: Window, statement: Select[Any] | None = None
) -> Page[Any]:
    async with database.read() as connection:
        return await read_page(connection, select(models) if statement is None else statement, order, window)


async def everything(database: Database, order: Order) -> list[str]:
    page = await read(database, order, Window(1000))
    return [row.id for row in page.rows]


async def walk(
    database: Database,
    order: Order,
    size: int,
    *,
    backwards: bool,
    between: Callable[[int], Any] | None = None,
) -> list[str]:
    """Reads page after page to the end, and returns the ids in the order of the list."""
    pages: list[list[str]] = []
    place = None
    while True:
        page = await read(database, order, Window(size, place, backwards))
        pages.append([row.id for row in page.rows])
        if not (page.has_previous if backwards else page.has_next):
            break
        place = order.place(page.rows[0 if backwards else -1])
        if between is not None:
            await between(len(pages))
    return [each for page in (reversed(pages) if backwards else pages) for each in page]


@pytest.mark.parametrize("order", ORDERS, ids=["id", "time", "time down"])
@pytest.mark.parametrize("size", [1, 4, 11, 12])
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
async def test_a_walk_meets_every_row_once_and_in_order(
    any_database: Database, order: Order, size: int, backwards: bool
) -> None:
    rows = [a_model(number) for number in range(12)]
    await store(any_database, rows)

    met = await walk(any_database, order, size, backwards=backwards)

    expected = sorted(rows, key=order.place, reverse=order.descending)
    assert met == [row.id for row in expected]


@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
async def test_rows_that_appear_meanwhile_shift_nothing(any_database: Database, backwards: bool) -> None:
    rows = [a_model(number) for number in range(12)]
    await store(any_database, rows)
    before = await everything(any_database, BY_TIME)

    async def insert_more(page: int) -> None:
        await store(any_database, [a_model(100 * page + number) for number in range(4)])

    met = await walk(any_database, BY_TIME, 3, backwards=backwards, between=insert_more)

    assert [each for each in met if each in before] == before
    assert len(set(met)) == len(met)


async def test_a_page_knows_whether_there_is_more_on_either_side(any_database: Database) -> None:
    rows = [a_model(number) for number in range(5)]
    await store(any_database, rows)
    ordered = sorted(rows, key=BY_TIME.place)
    second = BY_TIME.place(ordered[1])

    first_page = await read(any_database, BY_TIME, Window(2))
    middle = await read(any_database, BY_TIME, Window(2, second))
    last_page = await read(any_database, BY_TIME, Window(2, BY_TIME.place(ordered[2])))
    back = await read(any_database, BY_TIME, Window(2, second, backwards=True))

    sides = [(page.has_previous, page.has_next) for page in (first_page, middle, last_page, back)]
    assert sides == [(False, True), (True, True), (True, False), (False, True)]


async def test_an_empty_list_is_an_empty_page(any_database: Database) -> None:
    page = await read(any_database, BY_ID, Window(10))

    assert (list(page.rows), page.has_previous, page.has_next) == ([], False, False)


async def test_a_page_costs_one_statement_whatever_its_size(database: Database) -> None:
    await store(database, [a_model(number) for number in range(50)])

    with recorded(database) as statements:
        await read(database, BY_TIME, Window(2))
        await read(database, BY_TIME, Window(40))

    assert len(statements) == 2


@pytest.mark.parametrize("window", [(2, None), (2, 3), (4, 1), (100, None)], ids=str)
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
async def test_pages_of_many_parents_are_the_pages_of_each(
    any_database: Database, window: tuple[int, int | None], backwards: bool
) -> None:
    parents = [a_model(number) for number in range(4)]
    children = [
        ModelVersionRow(id=new_id(), model_id=parents[number % 3].id, version=str(number), backend="ONNX")
        for number in range(14)
    ]
    await store(any_database, [*parents, *children])
    size, number = window
    at = Window(size, None if number is None else (children[number].id,), backwards)

    async with any_database.read() as connection:
        together = await read_page_per_parent(
            connection, select(model_versions), LINK, [row.id for row in parents], VERSIONS, at
        )

    for parent, page in zip(parents, together, strict=True):
        own = select(model_versions).where(model_versions.c.model_id == parent.id)
        alone = await read(any_database, VERSIONS, at, own)
        assert [row.id for row in page.rows] == [row.id for row in alone.rows]
        assert (page.has_previous, page.has_next) == (alone.has_previous, alone.has_next)


async def test_pages_of_many_parents_cost_one_statement(any_database: Database) -> None:
    parents = [a_model(number) for number in range(30)]
    await store(any_database, parents)

    with recorded(any_database) as statements:
        async with any_database.read() as connection:
            for count in (2, 30):
                ids = [row.id for row in parents[:count]]
                await read_page_per_parent(connection, select(model_versions), LINK, ids, VERSIONS, Window(5))

    assert len([statement for statement in statements if statement.startswith("SELECT")]) == 2
