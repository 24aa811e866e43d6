"""What stands in lists that come by and by, and what nulls leave behind without a loop."""

import asyncio
from collections.abc import AsyncIterator

import strawberry

from executor import install
from tests.executor.both import both


def test_without_a_loop_a_null_does_not_need_what_its_object_awaits() -> None:
    @strawberry.type
    class Parent:
        @strawberry.field
        async def slow(self) -> int:
            raise AssertionError("nobody can await it")

        @strawberry.field
        def fails(self) -> int:
            raise ValueError("no")

    @strawberry.type
    class Root:
        @strawberry.field
        def parent(self) -> Parent | None:
            return Parent()

    schema = strawberry.Schema(Root)
    install(schema)

    result = schema.execute_sync("{ parent { slow fails } }")

    assert result.data == {"parent": None}


def test_async_iterables_become_lists_and_are_closed_when_they_fail() -> None:
    closed = []

    async def numbers(fail: bool = False) -> list[int] | None:
        return _numbers(fail)  # type: ignore[return-value]

    async def _numbers(fail: bool) -> AsyncIterator[int]:
        try:
            yield 1
            if fail:
                raise ValueError("no more")
            yield 2
        finally:
            closed.append(fail)

    query = strawberry.type(type("Query", (), {"numbers": strawberry.field(numbers)}))

    result = both(strawberry.Schema(query), "{ good: numbers bad: numbers(fail: true) }")

    assert result.data == {"good": [1, 2], "bad": None}
    assert sorted(closed) == [False, False, True, True]


def test_what_the_items_of_an_async_iterable_await_starts_when_it_has_ended() -> None:
    log: list[str] = []

    @strawberry.type
    class Item:
        number: int

        @strawberry.field
        async def later(self) -> int:
            log.append(f"item {self.number}")
            return self.number

    async def _items() -> AsyncIterator[Item]:
        for number in range(2):
            yield Item(number=number)
            await asyncio.sleep(0.01)
        log.append("end")

    async def items() -> list[Item]:
        return _items()  # type: ignore[return-value]

    async def meanwhile() -> Item:
        await asyncio.sleep(0.001)
        return Item(number=9)

    fields = {"items": strawberry.field(items), "meanwhile": strawberry.field(meanwhile)}
    query = strawberry.type(type("Query", (), fields))

    result = both(strawberry.Schema(query), "{ items { later } meanwhile { later } }")

    assert result.data == {"items": [{"later": 0}, {"later": 1}], "meanwhile": {"later": 9}}
    assert log == ["item 9", "end", "item 0", "item 1"] * 2
