"""Documents are parsed, measured, validated and priced once; the cache is bounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from graphql import GraphQLSyntaxError
from strawberry.types.execution import PreExecutionError

from engine.errors import RateLimitedError
from schema import documents, prepared
from schema import schema as real_schema
from schema.cost import CostRules
from schema.documents import PreparedDocuments
from schema.extensions import cost_rules
from schema.limits import DocumentLimits
from tests.foretell.graphql_service import schema

QUERY = "query ($n: Int) { items(first: $n) { nodes { name } } }"


@dataclass
class Context:
    request_id: str = "r"
    limits: DocumentLimits = DocumentLimits()  # noqa: RUF009  # frozen
    throttle: Any = None


class Calls:
    """Counts the calls of a function that goes on doing what it does."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.count = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.count += 1
        return self.function(*args, **kwargs)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, Calls]:
    places = {"parse": documents, "measure": documents, "validate": prepared, "reckon": prepared}
    counted = {name: Calls(getattr(place, name)) for name, place in places.items()}
    for name, place in places.items():
        monkeypatch.setattr(place, name, counted[name])
    return counted


async def test_a_document_is_prepared_once_for_all_requests(calls: dict[str, Calls]) -> None:
    text = QUERY + " # asked 300 times"

    for number in range(300):
        result = await schema.execute(text, {"n": number % 3 + 1}, context_value=Context())
        assert result.errors is None

    assert {name: counter.count for name, counter in calls.items()} == {
        "parse": 1,
        "measure": 1,
        "validate": 2,  # by the specification's rules, then by Strawberry's
        "reckon": 3,  # once for each size of the page
    }


async def test_the_mistakes_of_a_document_are_found_once(calls: dict[str, Calls]) -> None:
    results = [await schema.execute("{ nothing }  # twice", context_value=Context()) for _ in range(2)]

    assert calls["validate"].count == 1
    assert [result.errors[0].message for result in results if result.errors] == [
        "Cannot query field 'nothing' on type 'Query'."
    ] * 2


async def test_the_limits_are_those_of_the_request() -> None:
    strict, default = Context(limits=DocumentLimits(cost=5)), Context()

    refused = await schema.execute(QUERY, {"n": 9}, context_value=strict)
    allowed = await schema.execute(QUERY, {"n": 9}, context_value=default)

    assert refused.errors
    assert refused.errors[0].extensions == {"code": "COST_LIMIT_EXCEEDED"}
    assert refused.extensions == {"cost": {"requested": 10, "maximum": 5}}
    assert allowed.errors is None


async def test_a_schema_run_without_a_context_has_limits_too() -> None:
    result = await schema.execute("{ items(first: 101) { nodes { name } } }")

    assert result.errors
    assert "at most 100" in result.errors[0].message


@pytest.mark.parametrize(("values", "refused"), [(10_000, True), (9_998, False)])
async def test_the_values_in_variables_are_limited(values: int, refused: bool) -> None:
    text = "query ($n: [Int!]!) { total(numbers: $n) }"

    result = await schema.execute(text, {"n": [1] * values}, context_value=Context())

    assert (result.errors is not None) is refused


async def test_what_is_inside_a_json_value_is_not_counted() -> None:
    text = "query ($v: JSON!) { echo(value: $v) }"

    result = await schema.execute(text, {"v": [1.5] * 100_000}, context_value=Context())

    assert result.errors is None


@pytest.mark.parametrize("run", ["execute", "subscribe"])
async def test_a_throttle_that_refuses_is_an_answer_not_an_exception(run: str) -> None:
    async def throttle(cost: float) -> None:
        raise RateLimitedError(retry_after_seconds=3)

    context = Context(throttle=throttle)
    if run == "execute":
        results = [await schema.execute("{ hello }", context_value=context)]
    else:
        stream = await schema.subscribe("subscription { count(to: 1) }", context_value=context)
        results = [result async for result in stream]

    (result,) = results
    assert result.errors
    assert isinstance(result.errors[0].original_error, RateLimitedError)


async def test_a_syntax_error_is_told_on_a_stream_too() -> None:
    stream = await schema.stream("subscription {", context_value=Context())

    (result,) = [result async for result in stream]

    assert isinstance(result, PreExecutionError)
    assert result.errors
    assert isinstance(result.errors[0], GraphQLSyntaxError)


def test_the_documents_used_last_are_kept() -> None:
    cache = PreparedDocuments(capacity=30)
    texts = [f"{{ a{number} }}" for number in range(20)]  # 5 tokens each, with those of start and end

    kept = [cache.prepare(text, 100) for text in texts]

    assert cache.prepare(texts[-1], 100) is kept[-1]
    assert cache.prepare(texts[0], 100) is not kept[0]
    assert cache.tokens <= 30


def test_a_document_larger_than_the_cache_is_prepared_but_not_kept() -> None:
    cache = PreparedDocuments(capacity=3)

    assert cache.prepare("{ a b c }", 100).sizes[""].fields == 3
    assert cache.tokens == 0


def test_a_document_with_too_many_tokens_is_not_parsed_to_its_end() -> None:
    with pytest.raises(GraphQLSyntaxError, match="more than 10 tokens"):
        PreparedDocuments().prepare("{" + "a " * 100, 10)


def test_the_rules_of_a_schema_are_read_once() -> None:
    rules = cost_rules(schema._schema)

    assert isinstance(rules, CostRules)
    assert cost_rules(schema._schema) is rules


async def test_a_variable_that_is_not_declared_is_a_mistake_inside_one_of_inputs_too() -> None:
    result = await real_schema.execute("{ model(ref: {name: $name}) { id } }", context_value=Context())

    assert result.errors
    assert [error.message for error in result.errors] == ["Variable '$name' is not defined."]
