"""What still happens, and what no longer does, inside a value that an error has made null."""

import asyncio
from collections.abc import Iterator

import strawberry
from strawberry.types import Info

from executor import install
from tests.executor.both import both


@strawberry.type
class Child:
    number: int

    @strawberry.field
    async def late(self, info: Info) -> int:
        """Fails for 0, takes its time for the others."""
        for _ in range(3 * self.number):
            await asyncio.sleep(0)
        if self.number == 0:
            raise ValueError("zero")
        info.context.append(f"late {self.number}")
        return self.number

    @strawberry.field
    def now(self) -> int:
        if self.number == 2:
            raise ValueError("two")
        return self.number


@strawberry.type
class Stubborn:
    @strawberry.field
    async def fails(self) -> int:
        await asyncio.sleep(0)
        raise ValueError("no")

    @strawberry.field
    async def child(self, info: Info) -> Child:
        """Does not let itself be cancelled."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            info.context.append("finished anyway")
        return Child(number=1)


@strawberry.type
class Query:
    @strawberry.field
    def children(self) -> list[Child] | None:
        return [Child(number=number) for number in range(3)]

    @strawberry.field
    def broken(self) -> list[Child] | None:
        def generated() -> Iterator[Child]:
            yield Child(number=0)
            yield Child(number=1)
            raise ValueError("no more")

        return generated()  # type: ignore[return-value]

    @strawberry.field
    def child(self, number: int) -> Child | None:
        return Child(number=number)

    @strawberry.field
    def stubborn(self) -> Stubborn | None:
        return Stubborn()


schema = strawberry.Schema(Query)


def test_items_of_a_list_that_was_given_up_do_not_cancel_each_other() -> None:
    logs: list[list[str]] = []

    def context() -> list[str]:
        logs.append([])
        return logs[-1]

    result = both(schema, "{ children { late now } child(number: 9) { late } }", context=context)

    assert result.data == {"children": None, "child": {"late": 9}}
    assert logs == [["late 1", "late 2", "late 9"]] * 2


def test_items_of_an_iterator_that_broke_do_not_cancel_each_other() -> None:
    logs: list[list[str]] = []

    def context() -> list[str]:
        logs.append([])
        return logs[-1]

    result = both(schema, "{ broken { late } child(number: 9) { late } }", context=context)

    assert result.data == {"broken": None, "child": {"late": 9}}
    assert logs == [["late 1", "late 9"]] * 2


def test_errors_of_one_list_are_reported_until_its_place_is_null() -> None:
    result = both(schema, "{ children { late } a: child(number: 0) { late now } }", context=list)

    assert result.data == {"children": None, "a": None}
    assert sorted(str(error.path) for error in result.errors or ()) == [
        "['a', 'late']",
        "['children', 0, 'late']",
    ]


async def test_a_resolver_that_outlives_its_cancellation_is_awaited_and_its_value_dropped() -> None:
    compiled = install(strawberry.Schema(Query))
    log: list[str] = []

    result = await compiled.schema.execute("{ stubborn { fails child { late } } }", context_value=log)

    assert result.data == {"stubborn": None}
    assert [error.path for error in result.errors or ()] == [["stubborn", "fails"]]
    assert log == ["finished anyway"]


async def test_an_error_may_cancel_what_was_started_a_moment_before() -> None:
    @strawberry.type
    class Leaf:
        @strawberry.field
        async def one(self) -> int:
            return 1

        @strawberry.field
        async def two(self) -> int:
            return 2

    @strawberry.type
    class Parent:
        @strawberry.field
        async def fails(self) -> int:
            await asyncio.sleep(0)
            raise ValueError("no")

        @strawberry.field
        async def leaf(self, steps: int) -> Leaf:
            for _ in range(steps):
                await asyncio.sleep(0)
            return Leaf()

    @strawberry.type
    class Root:
        @strawberry.field
        def parent(self) -> Parent | None:
            return Parent()

    root = strawberry.Schema(Root)
    install(root)

    for steps in range(10):
        async with asyncio.timeout(5):
            result = await root.execute(f"{{ parent {{ fails leaf(steps: {steps}) {{ one two }} }} }}")

        assert result.data == {"parent": None}
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_error_cancels_at_once_whatever_its_own_field_left_behind() -> None:
    seen: list[str] = []

    @strawberry.type
    class Parent:
        @strawberry.field
        async def left(self) -> int:
            await asyncio.sleep(0.01)
            seen.append("left behind")
            return 1

        @strawberry.field
        def fails(self) -> int:
            raise ValueError("no")

    @strawberry.type
    class Root:
        @strawberry.field
        async def sibling(self) -> int:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise
            return 1

        @strawberry.field
        async def parent(self) -> Parent:
            await asyncio.sleep(0)
            return Parent()

    schema = strawberry.Schema(Root)
    install(schema)

    result = await schema.execute("{ sibling parent { left fails } }")

    assert result.data is None
    assert [error.path for error in result.errors or ()] == [["parent", "fails"]]
    assert seen == ["cancelled", "left behind"]
    assert asyncio.all_tasks() == {asyncio.current_task()}
