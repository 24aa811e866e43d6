"""Keyset pages: rows after or before a place, in an order that inserts do not disturb.

A place is the values of the order's columns in one row, the id last. See
https://use-the-index-luke.com/no-offset for why not OFFSET.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

from sqlalchemy import Column, ColumnElement, Integer, Select, and_, bindparam, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from db.prepared import Prepared

Row = TypeVar("Row")
Place = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """Columns to sort by, the last of them unique; all ascending or all descending."""

    name: str
    columns: tuple[Column[Any], ...]
    descending: bool

    def place(self, row: Any) -> Place:
        """Returns where a row stands in this order."""
        return tuple(getattr(row, column.key) for column in self.columns)


@dataclass(frozen=True, slots=True)
class Window:
    """At most `size` rows after or before a place; without one, from the first or up to the last row."""

    size: int
    place: Place | None = None
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows in the asked order, and whether there are more on either side."""

    rows: Sequence[Row]
    order: Order
    has_previous: bool
    has_next: bool


async def read_page(
    connection: AsyncConnection, statement: Select[Any], order: Order, window: Window
) -> Page[Any]:
    """Reads one page of a statement with one query: `size` rows and one more to know of a next page."""
    statement = _within(statement, order, window).order_by(*_sorting(order, window.backwards))
    rows = (await connection.execute(statement.limit(window.size + 1))).all()
    return _page(rows, order, window)


async def read_prepared_page(
    connection: AsyncConnection, statement: Select[Any], order: Order, window: Window, **parameters: Any
) -> Page[Any]:
    """Reads one page of a statement that is the same object every time, with its parameters."""
    place = window.place or ()
    prepared = _prepared_page(statement, order, window.backwards, bool(place))
    parameters |= {_place(index): value for index, value in enumerate(place)}
    rows = await prepared.all(connection, size=window.size + 1, **parameters)
    return _page(rows, order, window)


@lru_cache(maxsize=1000)
def _prepared_page(statement: Select[Any], order: Order, backwards: bool, at_place: bool) -> Prepared:
    columns = order.columns if at_place else ()
    place = tuple(bindparam(_place(index), type_=column.type) for index, column in enumerate(columns))
    statement = _within(statement, order, Window(0, place or None, backwards))
    statement = statement.order_by(*_sorting(order, backwards))
    return Prepared(statement.limit(bindparam("size", type_=Integer)))


def _place(index: int) -> str:
    return f"place_{index}"


async def read_page_per_parent(
    connection: AsyncConnection,
    statement: Select[Any],
    link: tuple[Column[Any], Column[Any]],
    parents: Sequence[Any],
    order: Order,
    window: Window,
) -> list[Page[Any]]:
    """Reads the same window of many parents' children with one query, pages in the order of `parents`.

    `link` is the child's foreign key and the parent's key. Each parent costs `size + 1` steps in an
    index, however many children it has: a window function would visit them all.
    """
    foreign, key = link
    limited = (
        _within(statement, order, window)
        .where(foreign == key)
        .order_by(*_sorting(order, window.backwards))
        .limit(window.size + 1)
        .correlate(key.table)
    )
    lateral = connection.dialect.name == "postgresql"
    joined = _joined_laterally(limited, key) if lateral else _joined_by_id(limited, foreign, key)
    children: dict[Any, list[Any]] = {parent: [] for parent in parents}
    for row in (await connection.execute(joined.where(key.in_(parents)))).all():
        children[getattr(row, foreign.key)].append(row)
    down = order.descending != window.backwards
    return [
        _page(sorted(children[parent], key=order.place, reverse=down), order, window) for parent in parents
    ]


def page_of(rows: Sequence[Row], order: Order, window: Window) -> Page[Row]:
    """Returns a page of all rows, which are in the order already."""
    if window.place is not None:
        place, down = window.place, order.descending != window.backwards
        rows = [row for row in rows if (order.place(row) < place if down else order.place(row) > place)]
    if window.backwards:
        rows = rows[::-1]
    return _page(rows[: window.size + 1], order, window)


def _joined_laterally(limited: Select[Any], key: Column[Any]) -> Select[Any]:
    children = limited.lateral()
    return select(children).select_from(key.table.join(children, true()))


def _joined_by_id(limited: Select[Any], foreign: Column[Any], key: Column[Any]) -> Select[Any]:
    """SQLite knows no LATERAL, but looks up `id IN (a limited subquery)` by the primary key."""
    children = foreign.table.alias()
    ids = limited.with_only_columns(foreign.table.c.id)
    columns = [children.c[str(column.key)] for column in limited.selected_columns]
    return select(*columns).select_from(key.table.join(children, children.c.id.in_(ids)))


def _sorting(order: Order, backwards: bool) -> list[ColumnElement[Any]]:
    down = order.descending != backwards
    return [column.desc() if down else column.asc() for column in order.columns]


def _within(statement: Select[Any], order: Order, window: Window) -> Select[Any]:
    if window.place is None:
        return statement
    down = order.descending != window.backwards
    return statement.where(_beyond(order.columns, window.place, down))


def _beyond(columns: Sequence[Column[Any]], place: Place, down: bool) -> ColumnElement[bool]:
    """Returns `(a, b) > (x, y)` spelled out, which both databases answer from an index on (a, b)."""
    first, value = columns[0], place[0]
    beyond: ColumnElement[bool] = first < value if down else first > value
    if len(columns) == 1:
        return beyond
    at = first <= value if down else first >= value
    return and_(at, or_(beyond, _beyond(columns[1:], place[1:], down)))


def _page(rows: Sequence[Any], order: Order, window: Window) -> Page[Any]:
    more = len(rows) > window.size
    rows = rows[: window.size]
    if window.backwards:
        return Page(rows[::-1], order, has_previous=more, has_next=window.place is not None)
    return Page(rows, order, has_previous=window.place is not None, has_next=more)
