"""What is done once for an operation, or for an object that never changes, and not for each object."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import strawberry
from strawberry.types import Info

from executor import Unchanging, bound, install
from executor.keeping import MAX_KEPT
from tests.executor.both import both

CALLS: Counter[str] = Counter()


def bind_double(info: Info[Any, None], times: int = 2) -> Callable[[Any], int] | None:
    CALLS["bind"] += 1
    if info.context == "forbidden":
        raise PermissionError("not yours")
    return None if info.context == "later" else lambda self: self.number * times


@strawberry.type
class Item:
    number: int

    @strawberry.field
    @bound(bind_double)
    def product(self, info: Info[Any, None], times: int = 2) -> int | None:
        CALLS["resolver"] += 1
        if info.context == "forbidden":
            raise PermissionError("not yours")
        return self.number * times


@strawberry.type
class Thing(Unchanging):
    def __init__(self, name: str, *, lasts: bool) -> None:
        self._name = name
        self.completed = {} if lasts else None

    name: str

    @property  # type: ignore[no-redef]
    def name(self) -> Any:
        CALLS["name"] += 1
        if self._name == "broken":
            raise ValueError("no name")
        return self._name


T = TypeVar("T")


@strawberry.type
class Page(Unchanging, Generic[T]):
    parts: strawberry.Private[list[T]]

    @strawberry.field
    def nodes(self) -> list[T]:
        CALLS["nodes"] += 1
        return self.parts

    @strawberry.field
    async def count(self) -> int:
        CALLS["count"] += 1
        return len(self.parts)


LASTING, PASSING, BROKEN = Thing("a", lasts=True), Thing("b", lasts=False), Thing("broken", lasts=True)
PAGE = Page(parts=[LASTING])
PAGE.completed = {}


@strawberry.type
class Query:
    @strawberry.field
    def items(self) -> list[Item]:
        return [Item(number=number) for number in range(5)]

    @strawberry.field
    def page(self) -> Page[Thing]:
        return PAGE

    @strawberry.field
    def things(self) -> list[Thing | None]:
        return [LASTING, PASSING, BROKEN, LASTING]


@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self) -> Item:
        return Item(number=7)


SCHEMA = strawberry.Schema(Query, Mutation)


def test_a_resolver_is_bound_once_for_all_objects_of_a_field() -> None:
    CALLS.clear()

    answer = both(SCHEMA, "{ items { product twice: product(times: 3) } }")

    assert answer.data is not None
    assert [item["twice"] for item in answer.data["items"]] == [0, 3, 6, 9, 12]
    assert CALLS == {"bind": 2, "resolver": 10}  # the resolver by graphql-core


def test_what_binding_raises_is_the_error_of_each_object() -> None:
    answer = both(SCHEMA, "{ items { number product } }", context=lambda: "forbidden")

    assert len(answer.errors or ()) == 5


def test_a_resolver_that_can_not_be_bound_is_called_with_each_object() -> None:
    CALLS.clear()

    both(SCHEMA, "{ items { product } }", context=lambda: "later")

    assert CALLS == {"bind": 1, "resolver": 10}


def test_each_mutation_of_an_operation_binds_anew() -> None:
    CALLS.clear()

    both(SCHEMA, "mutation { a: change { ...P } b: change { ...P } } fragment P on Item { product }")

    assert CALLS["bind"] == 2


def test_an_object_that_never_changes_is_completed_once() -> None:
    LASTING.completed = {}
    both(SCHEMA, "{ things { name } }")
    CALLS.clear()
    compiled = install(SCHEMA)

    try:
        answers = [SCHEMA.execute_sync("{ things { name } }") for _ in range(3)]
    finally:
        compiled.uninstall()

    # the passing one each time, and the broken one, whose error has its own path
    assert CALLS["name"] == 1 + 3 + 3
    assert [answer.data for answer in answers] == [answers[0].data] * 3
    assert all(len(answer.errors or ()) == 1 for answer in answers)


def test_an_object_keeps_only_its_latest_answers() -> None:
    compiled = install(SCHEMA)

    try:
        for number in range(3 * MAX_KEPT):
            SCHEMA.execute_sync(f"{{ things {{ name{number}: name }} }}")
    finally:
        compiled.uninstall()

    assert LASTING.completed is not None
    assert len(LASTING.completed) <= MAX_KEPT


def test_what_takes_nothing_but_an_object_that_never_changes_is_called_once() -> None:
    assert PAGE.completed is not None
    PAGE.completed.clear()
    both(SCHEMA, "{ page { nodes { name } } }")
    compiled = install(SCHEMA)
    CALLS.clear()

    try:
        answers = [asyncio.run(SCHEMA.execute("{ page { nodes { name } } }")) for _ in range(3)]
        asyncio.run(SCHEMA.execute("{ page { nodes { name } count } }"))
        asyncio.run(SCHEMA.execute("{ page { nodes { name } count } }"))
    finally:
        compiled.uninstall()

    assert [answer.data for answer in answers] == [{"page": {"nodes": [{"name": "a"}]}}] * 3
    assert CALLS["nodes"] == 1 + 2  # what waits for something is asked for each time
    assert CALLS["count"] == 2
