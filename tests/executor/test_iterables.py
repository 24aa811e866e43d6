"""What stands in lists that come by and by, and what nulls leave behind without a loop."""

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
