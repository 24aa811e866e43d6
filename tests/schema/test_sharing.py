"""Events that many read are executed once for each selection, and encoded once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import field
from typing import Any

import orjson
import pytest
import strawberry

import executor
from schema.sharing import SharedData, share_events

calls: Counter[str] = Counter()


@strawberry.type
class News:
    number: int
    shared_results: strawberry.Private[dict[Any, Any]] = field(default_factory=dict)

    @strawberry.field
    def text(self, loud: bool = False) -> str:
        calls["text"] += 1
        return f"{self.number}{'!' if loud else ''}"

    @strawberry.field
    async def slow(self) -> str:
        calls["slow"] += 1
        await asyncio.sleep(0)
        return str(self.number)

    @strawberry.field
    def broken(self) -> str | None:
        calls["broken"] += 1
        raise ValueError("broken")


EVENTS = [News(number=number) for number in range(3)]


@strawberry.type
class Query:
    hello: str = "hello"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def news(self, after: int = 0) -> AsyncGenerator[News, None]:
        for event in EVENTS[after:]:
            yield event


@pytest.fixture(params=["graphql-core", "compiled"])
def schema(request: pytest.FixtureRequest) -> strawberry.Schema:
    made = strawberry.Schema(Query, subscription=Subscription)
    if request.param == "compiled":
        executor.install(made)
    share_events(made)
    calls.clear()
    for event in EVENTS:
        event.shared_results.clear()
    return made


async def follow(schema: strawberry.Schema, document: str, **variables: Any) -> list[Any]:
    results = await schema.subscribe(document, variable_values=variables)
    return [result async for result in results]


async def test_a_hundred_readers_with_one_document_cost_one_execution_of_each_event(
    schema: strawberry.Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = "subscription { news { number text slow } }"

    everything = await asyncio.gather(*(follow(schema, document) for _ in range(100)))

    expected = [{"news": {"number": n, "text": str(n), "slow": str(n)}} for n in range(3)]
    assert all([result.data for result in results] == expected for results in everything)
    assert calls["text"] == 3
    data = everything[0][0].data
    assert isinstance(data, SharedData)
    assert orjson.loads(data.text) == expected[0]
    assert data.text is everything[99][0].data.text


async def test_readers_who_come_in_at_different_places_share_too(schema: strawberry.Schema) -> None:
    document = "subscription ($after: Int!) { news(after: $after) { text } }"

    first = await follow(schema, document, after=0)
    later = await follow(schema, document, after=2)

    assert [result.data["news"]["text"] for result in (*first, *later)] == ["0", "1", "2", "2"]
    assert calls["text"] == 3


async def test_other_selections_and_other_values_in_them_are_executed_for_themselves(
    schema: strawberry.Schema,
) -> None:
    document = (
        "subscription ($loud: Boolean!) { news { ...Part } } fragment Part on News { text(loud: $loud) }"
    )

    quiet = await follow(schema, document, loud=False)
    loud = await follow(schema, document, loud=True)
    other = await follow(schema, "subscription { news { other: text } }")

    assert [result.data["news"] for result in quiet] == [{"text": "0"}, {"text": "1"}, {"text": "2"}]
    assert [result.data["news"] for result in loud] == [{"text": "0!"}, {"text": "1!"}, {"text": "2!"}]
    assert [result.data["news"] for result in other] == [{"other": "0"}, {"other": "1"}, {"other": "2"}]


async def test_an_event_that_fails_is_not_kept(schema: strawberry.Schema) -> None:
    document = "subscription { news(after: 2) { broken } }"

    for _ in range(2):
        (result,) = await follow(schema, document)
        assert result.data == {"news": {"broken": None}}
        assert [error.message for error in result.errors] == ["broken"]

    assert calls["broken"] == 2
