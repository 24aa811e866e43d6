"""Mutations, subscriptions, operation names, @skip and @include."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import strawberry
from graphql import GraphQLError
from strawberry.types import Info

from executor import install
from tests.executor.both import both


@strawberry.type
class Change:
    number: int

    @strawberry.field
    async def slow(self, info: Info) -> str:
        await asyncio.sleep(0)
        info.context.append(f"slow {self.number}")
        return "done"

    @strawberry.field
    def broken(self) -> str:
        raise RuntimeError("broken")


@strawberry.type
class Query:
    number: int = 1

    @strawberry.field
    def text(self, text: str = "a") -> str:
        return text


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def later(self, info: Info, number: int) -> Change:
        info.context.append(f"begins {number}")
        await asyncio.sleep(0)
        info.context.append(f"ends {number}")
        return Change(number=number)

    @strawberry.mutation
    def now(self, info: Info, number: int) -> Change:
        info.context.append(f"now {number}")
        return Change(number=number)

    @strawberry.mutation
    def fails(self, info: Info) -> Change:
        info.context.append("fails")
        raise GraphQLError("refused", extensions={"code": "NO"})

    @strawberry.mutation
    def may_fail(self, info: Info) -> Change | None:
        info.context.append("may fail")
        raise RuntimeError("refused")


@strawberry.type
class Event:
    number: int

    @strawberry.field
    async def doubled(self) -> int:
        await asyncio.sleep(0)
        return 2 * self.number

    @strawberry.field
    def even(self) -> bool:
        if self.number == 2:
            raise ValueError("two")
        return self.number % 2 == 0


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def events(self, info: Info, count: int = 3) -> AsyncIterator[Event | None]:
        for number in range(count):
            yield Event(number=number) if number != 1 else None

    @strawberry.subscription
    async def numbers(self) -> AsyncIterator[int]:
        yield 1
        yield "no number"  # type: ignore[misc]
        yield 3
        raise RuntimeError("the source broke")

    @strawberry.subscription
    async def refuses(self, info: Info) -> AsyncIterator[int]:
        if info.context is not None:
            raise GraphQLError("not for you")
        yield 0


def _schema() -> strawberry.Schema:
    return strawberry.Schema(Query, Mutation, Subscription)


def test_mutations_run_one_after_the_other_and_once() -> None:
    logs: list[list[str]] = []

    def context() -> list[str]:
        logs.append([])
        return logs[-1]

    text = """mutation {
        a: later(number: 1) { slow } b: now(number: 2) { number slow } c: later(number: 3) { number }
        mayFail { number } d: now(number: 4) { number }
    }"""

    result = both(_schema(), text, context=context)

    assert list(result.data or ()) == ["a", "b", "c", "mayFail", "d"]
    assert logs[0] == logs[1]
    assert logs[1] == [
        *("begins 1", "ends 1", "slow 1", "now 2", "slow 2", "begins 3", "ends 3", "may fail", "now 4"),
    ]


@pytest.mark.parametrize(
    "first", ["fails { number }", "a: later(number: 1) { broken }", "a: now(number: 1) { slow broken }"]
)
def test_an_error_that_makes_the_response_null_keeps_later_mutations_from_running(first: str) -> None:
    logs: list[list[str]] = []

    def context() -> list[str]:
        logs.append([])
        return logs[-1]

    result = both(_schema(), f"mutation {{ {first} second: now(number: 2) {{ number }} }}", context=context)

    assert result.data is None
    assert not any("now 2" in log for log in logs)


def test_a_mutation_in_a_synchronous_schema_runs_synchronously() -> None:
    schema = _schema()
    install(schema)
    log: list[str] = []

    result = schema.execute_sync(
        "mutation { a: now(number: 1) { number } b: now(number: 2) { number } }", context_value=log
    )

    assert result.data == {"a": {"number": 1}, "b": {"number": 2}}
    assert log == ["now 1", "now 2"]


@pytest.mark.parametrize(
    "text",
    [
        "subscription { events { number doubled } }",
        "subscription { e: events(count: 4) { number even __typename } }",
        "subscription { numbers }",
        "subscription { refuses }",
        """subscription ($wanted: Boolean!) {
            events { number @include(if: $wanted) doubled @skip(if: $wanted) }
        }""",
    ],
)
async def test_events_are_selected_from_alike(text: str) -> None:
    schema = _schema()
    compiled = install(schema)

    compiled.enabled = False
    expected = await _events(schema, text)
    compiled.enabled = True
    actual = await _events(schema, text)

    assert actual == expected
    assert compiled.stats.compiled == 1
    assert compiled.stats.fallbacks == {"switched off": 1}


async def _events(schema: strawberry.Schema, text: str) -> list[Any]:
    events: Any = await schema.subscribe(text, variable_values={"wanted": True}, context_value=[])
    return [(event.data, [str(error) for error in event.errors or ()]) async for event in events]


def test_one_document_has_a_plan_for_each_operation_and_each_value_of_its_switches() -> None:
    schema = _schema()
    compiled = install(schema)
    text = """query One($on: Boolean! = true) { number @include(if: $on) ...F }
        query Two { text }
        fragment F on Query { text @skip(if: $on) }"""

    def data(name: str, variables: dict[str, Any]) -> Any:
        return schema.execute_sync(text, variables, operation_name=name, root_value=Query()).data

    assert [data("One", {"on": True}), data("One", {"on": False}), data("One", {}), data("Two", {})] == [
        {"number": 1},
        {"text": "a"},
        {"number": 1},
        {"text": "a"},
    ]
    assert compiled.stats.compiled == 3
    assert compiled.stats.hits == 1
    assert compiled.documents == 1


def test_unknown_and_missing_operations_are_refused_as_before() -> None:
    schema = _schema()
    compiled = install(schema)

    result = schema.execute_sync("query A { number } query B { text }", operation_name="B")

    assert result.data == {"text": "a"}
    assert not compiled.stats.fallbacks
