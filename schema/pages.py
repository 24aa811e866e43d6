"""Connections: pages by the Relay specification (https://relay.dev/graphql/connections.htm), with `nodes`.

Cursors hold the place of a row in its order, so pages stay right while rows come and go.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Generic, TypeVar

import orjson
import strawberry

from db.pages import Order, Page, Place, Window
from db.types import epoch_ms, from_epoch_ms
from engine.errors import InvalidInputError
from executor import Unchanging
from schema.access import NEVER_NULL_ALONE, derived
from schema.directives import CONNECTION_SIZE, Cost
from schema.types import enum_type, given, object_type

T = TypeVar("T")

PAGE_SIZE = 20

CONNECTION = (NEVER_NULL_ALONE, CONNECTION_SIZE)
"""The directives that every connection carries."""

First = Annotated[
    int | None,
    strawberry.argument(description="At most this many after `after`: up to 100, and 20 if left out."),
]
After = Annotated[str | None, strawberry.argument(description="Only what comes after this cursor.")]
Last = Annotated[int | None, strawberry.argument(description="At most this many before `before`, up to 100.")]
Before = Annotated[str | None, strawberry.argument(description="Only what comes before this cursor.")]


@object_type
class PageInfo:
    """Where a page stands in its list."""

    has_next_page: bool = strawberry.field(description="Whether there is more after this page.")
    has_previous_page: bool = strawberry.field(description="Whether there is more before this page.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first node.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last node.")


@strawberry.type(description="One entry of a page.")
class Edge(Generic[T]):
    """A node and its cursor."""

    cursor: str = strawberry.field(description="The place of this node in the list.")
    node: T = strawberry.field(description="The object itself.")


@strawberry.type(description="One page of a list.")
class Connection(Unchanging, Generic[T]):
    """Shapes a page of rows, as much of it as is asked for; one of rows that stay as they are may last."""

    page: strawberry.Private[Page[Any]]
    shape: strawberry.Private[Callable[[Any], T]]
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @derived("The entries with their cursors.")
    def edges(self) -> list[Edge[T]]:
        """Returns the nodes, each with its cursor."""
        return [
            Edge(cursor=cursor, node=node) for cursor, node in zip(self._cursors, self._nodes, strict=True)
        ]

    @derived("The entries without their cursors.")
    def nodes(self) -> list[T]:
        """Returns the nodes."""
        return self._nodes

    @derived("Where this page stands in the list.")
    def page_info(self) -> PageInfo:
        """Returns whether there is more, and where to go on."""
        rows, order = self.page.rows, self.page.order
        return PageInfo(
            has_next_page=self.page.has_next,
            has_previous_page=self.page.has_previous,
            start_cursor=cursor(order, rows[0]) if rows else None,
            end_cursor=cursor(order, rows[-1]) if rows else None,
        )

    @derived("How many there are in all pages, counted when asked for.", directives=[Cost(weight="5")])
    async def total_count(self) -> int | None:
        """Returns the size of the whole list."""
        return await self.count()

    @cached_property
    def _nodes(self) -> list[T]:
        return [self.shape(row) for row in self.page.rows]

    @cached_property
    def _cursors(self) -> list[str]:
        order = self.page.order
        return [cursor(order, row) for row in self.page.rows]


@enum_type
class OrderDirection(StrEnum):
    """Which way a list is sorted."""

    ASC = "ASC"
    DESC = "DESC"


def cursor(order: Order, row: Any) -> str:
    """Returns the cursor of a row: the order's name and the row's place in it."""
    place = [{"t": epoch_ms(value)} if isinstance(value, datetime) else value for value in order.place(row)]
    return base64.urlsafe_b64encode(orjson.dumps([order.name, *place])).decode().rstrip("=")


def window(
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
    *,
    order: str = "CREATED_AT",
    kinds: tuple[type, ...] = (str,),
) -> Window:
    """Returns the window that the arguments of a connection mean.

    `kinds` are the types of the values in a place of the order: times and texts.

    Raises:
        InvalidInputError: the arguments contradict each other, or a cursor is not one of this order.
    """
    first, after, last, before = given(first), given(after), given(last), given(before)
    if first is not None and last is not None:
        raise InvalidInputError("Give `first` or `last`, not both.", path=("last",))
    if (last is None and before is not None) or (last is not None and after is not None):
        raise InvalidInputError("`after` goes with `first`, and `before` with `last`.")
    size = first if first is not None else last if last is not None else PAGE_SIZE
    if size < 0:
        raise InvalidInputError("A page has no fewer than 0 entries.", constraint="minimum", received=size)
    at = after if last is None else before
    return Window(size, None if at is None else _place(at, order, kinds), backwards=last is not None)


def _time(milliseconds: object) -> datetime:
    if not isinstance(milliseconds, int):
        raise TypeError
    return from_epoch_ms(milliseconds)


def _place(value: str, order: str, kinds: tuple[type, ...]) -> Place:
    try:
        padded = value + "=" * (-len(value) % 4)
        name, *place = orjson.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
        values = tuple(_time(part["t"]) if isinstance(part, dict) else part for part in place)
    except (ValueError, TypeError, KeyError, OverflowError, OSError):
        name, values = "", ()
    # No text of ours holds a NUL, and PostgreSQL would fail on one.
    if name != order or tuple(map(type, values)) != kinds or any(map(_has_nul, values)):
        raise InvalidInputError("The cursor is not one of this list in this order.", constraint="cursor")
    return values


def _has_nul(value: object) -> bool:
    return isinstance(value, str) and "\0" in value
