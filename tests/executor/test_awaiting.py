"""Tasks, futures, loaders, cancellation: what is started together, and what is left behind (nothing)."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import strawberry
from aiodataloader import DataLoader
from graphql import ExecutionResult, parse
from strawberry.types import Info

from executor import CompiledSchema, Prepared, install
from tests.executor.both import both


@strawberry.type
class Author:
    id: int

    @strawberry.field
    async def name(self, info: Info) -> str:
        return str(await info.context["names"].load(self.id))

    @strawberry.field
    def home(self, info: Info) -> str:
        return info.context["homes"].load(self.id)  # type: ignore[no-any-return]


@strawberry.type
class Book:
    id: int

    @strawberry.field
    async def author(self, info: Info) -> Author:
        return await info.context["authors"].load(self.id % 3)  # type: ignore[no-any-return]


@strawberry.type
class Query:
    @strawberry.field
    def books(self) -> list[Book]:
        return [Book(id=index) for index in range(6)]

    @strawberry.field
    async def recent(self) -> list[Book]:
        return [Book(id=index) for index in range(4, 9)]


def _loaders(batches: list[tuple[str, list[int]]]) -> dict[str, Any]:
    async def load_names(keys: Sequence[int]) -> list[str]:
        batches.append(("names", list(keys)))
        return [f"author {key}" for key in keys]

    async def load_homes(keys: Sequence[int]) -> list[str]:
        batches.append(("homes", list(keys)))
        return [f"home {key}" for key in keys]

    async def load_authors(keys: Sequence[int]) -> list[Author]:
        batches.append(("authors", list(keys)))
        return [Author(id=key) for key in keys]

    return {
        "names": DataLoader(load_names),
        "homes": DataLoader(load_homes),
        "authors": DataLoader(load_authors),
    }


def test_a_loader_gets_the_keys_of_a_whole_level_in_one_batch() -> None:
    batches: list[tuple[str, list[int]]] = []
    text = "{ books { author { name home } } recent { author { name } } }"

    both(strawberry.Schema(Query), text, context=lambda: _loaders(batches))

    per_run = [("authors", [0, 1, 2]), ("names", [0, 1, 2]), ("homes", [0, 1, 2])]
    assert sorted(batches) == sorted(per_run * 2)


def test_an_operation_that_awaits_nothing_needs_no_coroutine() -> None:
    compiled = install(strawberry.Schema(Query))

    result = _operation(compiled, "{ books { id } }").execute_operation()

    assert isinstance(result, ExecutionResult)
    assert result.data is not None
    assert len(result.data["books"]) == 6


async def test_a_lone_coroutine_runs_in_the_task_of_the_operation() -> None:
    tasks: list[Any] = []

    @strawberry.type
    class Alone:
        @strawberry.field
        async def task(self) -> int:
            tasks.append(asyncio.current_task())
            return 1

    schema = strawberry.Schema(Alone)
    install(schema)

    await schema.execute("{ task }")
    await schema.execute("{ one: task two: task }")

    own = asyncio.current_task()
    assert [task is own for task in tasks] == [True, False, False]


async def test_a_slow_field_does_not_hold_back_what_follows_from_a_fast_one() -> None:
    slow, reached = asyncio.Event(), asyncio.Event()

    @strawberry.type
    class Child:
        @strawberry.field
        async def deep(self) -> int:
            reached.set()
            return 1

    @strawberry.type
    class Root:
        @strawberry.field
        async def slow(self) -> int:
            await slow.wait()
            return 2

        @strawberry.field
        async def fast(self) -> Child:
            return Child()

    schema = strawberry.Schema(Root)
    install(schema)

    async with asyncio.timeout(5):
        running = asyncio.create_task(schema.execute("{ slow fast { deep } }"))
        await reached.wait()
        slow.set()
        result = await running

    assert result.data == {"slow": 2, "fast": {"deep": 1}}


async def test_cancelling_the_operation_cancels_its_resolvers_and_waits_for_them() -> None:
    begun, ended = [], []

    @strawberry.type
    class Root:
        @strawberry.field
        async def wait(self, name: str) -> str:
            begun.append(name)
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                ended.append(name)
            return name

    schema = strawberry.Schema(Root)
    install(schema)

    running = asyncio.create_task(schema.execute('{ a: wait(name: "a") b: wait(name: "b") }'))
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert sorted(begun) == sorted(ended) == ["a", "b"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancelling_before_the_resolvers_have_begun_leaves_no_coroutine_behind() -> None:
    @strawberry.type
    class Root:
        @strawberry.field
        async def never(self) -> int:
            raise AssertionError("it must not begin")

    schema = strawberry.Schema(Root)
    operation = _operation(install(schema), "{ a: never b: never }").execute_operation()
    assert not isinstance(operation, ExecutionResult)

    running = asyncio.ensure_future(operation)
    asyncio.get_running_loop().call_soon(running.cancel)
    with pytest.raises(asyncio.CancelledError):
        await running

    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_awaitable_that_somebody_else_cancels_cancels_the_operation() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @strawberry.type
    class Root:
        @strawberry.field
        def cancelled(self) -> int:
            return future  # type: ignore[return-value]

        @strawberry.field
        async def endless(self) -> int:
            await asyncio.Event().wait()
            return 1

    schema = strawberry.Schema(Root)
    install(schema)
    running = asyncio.create_task(schema.execute("{ cancelled endless }"))
    await asyncio.sleep(0.01)
    future.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_error_cancels_the_siblings_whose_parent_it_makes_null() -> None:
    seen: list[str] = []

    @strawberry.type
    class Parent:
        @strawberry.field
        async def fails(self) -> int:
            await asyncio.sleep(0)
            raise ValueError("no")

        @strawberry.field
        async def sibling(self) -> int:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise
            return 1

    @strawberry.type
    class Root:
        @strawberry.field
        def parent(self) -> Parent | None:
            return Parent()

        @strawberry.field
        async def other(self) -> int:
            await asyncio.sleep(0.01)
            seen.append("other")
            return 2

    schema = strawberry.Schema(Root)
    install(schema)

    result = await schema.execute("{ parent { fails sibling } other }")

    assert result.data == {"parent": None, "other": 2}
    assert [error.path for error in result.errors or ()] == [["parent", "fails"]]
    assert seen == ["cancelled", "other"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_future_that_others_share_is_not_cancelled_with_the_field_that_loses_it() -> None:
    shared: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @strawberry.type
    class Parent:
        @strawberry.field
        async def fails(self) -> int:
            asyncio.get_running_loop().call_later(0.01, shared.set_result, 7)
            raise ValueError("no")

        @strawberry.field
        def shared(self) -> int:
            return shared  # type: ignore[return-value]

    @strawberry.type
    class Root:
        @strawberry.field
        def parent(self) -> Parent | None:
            return Parent()

        @strawberry.field
        def shared(self) -> int:
            return shared  # type: ignore[return-value]

    schema = strawberry.Schema(Root)
    install(schema)

    result = await schema.execute("{ parent { fails shared } shared }")

    assert result.data == {"parent": None, "shared": 7}


async def test_what_a_synchronous_error_leaves_behind_ends_before_the_response() -> None:
    ended = []

    @strawberry.type
    class Parent:
        @strawberry.field
        async def slow(self) -> int:
            await asyncio.sleep(0.01)
            ended.append("slow")
            return 1

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

    result = await schema.execute("{ parent { slow fails } }")

    assert result.data == {"parent": None}
    assert ended == ["slow"]


async def test_an_exception_that_is_no_exception_ends_the_operation() -> None:
    class Stop(BaseException):
        pass

    @strawberry.type
    class Root:
        @strawberry.field
        async def stops(self) -> int:
            raise Stop

        @strawberry.field
        async def endless(self) -> int:
            await asyncio.Event().wait()
            return 1

    schema = strawberry.Schema(Root)
    install(schema)

    with pytest.raises(Stop):
        await schema.execute("{ stops endless }")
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_execute_sync_runs_a_plan_and_refuses_what_is_not_synchronous() -> None:
    schema = strawberry.Schema(Query)
    compiled = install(schema)

    result = schema.execute_sync("{ books { id } }")

    assert result.data == {"books": [{"id": index} for index in range(6)]}
    assert compiled.stats.compiled == 1


async def test_execute_sync_of_an_async_resolver_leaves_no_coroutine_behind() -> None:
    schema = strawberry.Schema(Query)
    install(schema)

    result = schema.execute_sync("{ one: recent { id } two: recent { id } }")
    await asyncio.sleep(0)

    assert [error.message for error in result.errors or ()] == [
        "GraphQL execution failed to complete synchronously."
    ]


def _operation(compiled: CompiledSchema, text: str) -> Any:
    prepared = compiled.prepare(parse(text))
    assert isinstance(prepared, Prepared)
    return compiled.operation(prepared, root_value=None, context=None)
