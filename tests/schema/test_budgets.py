"""Budgets over GraphQL: setting them, seeing them, and being refused by them."""

from __future__ import annotations

from typing import Any

import pytest

from engine.values import Scope
from schema.nodes import global_id
from tests.engine.specs import examples
from tests.schema.graph import Caller, Graph

SET = """mutation ($input: SetBudgetInput!) { setBudget(input: $input) {
  budget { window scope limit { amount currency } spent { amount } reserved { amount } resetAt }
  errors { code message path } } }"""
MINE = "{ viewer { budgets { window scope limit { amount } } apiKey { budgets { window scope } } } }"
PREDICT = """mutation ($records: JSON!) {
  predict(input: {model: {name: "diabetes"}, data: {tabular: {records: $records}}, cache: BYPASS}) {
    prediction { status }
    errors { code retryable ... on LimitExceededError {
      limit { kind } budget { window spent { amount currency } resetAt } } } } }"""


async def set_budget(graph: Graph, caller: Caller, amount: str | None, **more: Any) -> dict[str, Any]:
    limit = None if amount is None else {"amount": amount}
    data = await graph.data(caller, SET, input={"window": "TOTAL", "limit": limit, **more})
    return dict(data["setBudget"])


async def test_a_budget_is_set_changed_and_taken_away(graph: Graph, caller: Caller) -> None:
    made = await set_budget(graph, caller, "12.5", window="MONTH")
    changed = await set_budget(graph, caller, "20", window="MONTH")
    of_key = await set_budget(graph, caller, "1", apiKeyId=global_id("ApiKey", caller.key_id))
    mine = (await graph.data(caller, MINE))["viewer"]
    gone = await set_budget(graph, caller, None, window="MONTH")
    left = (await graph.data(caller, MINE))["viewer"]

    assert made["errors"] == changed["errors"] == gone["errors"] == []
    assert made["budget"]["limit"] == {"amount": "12.5", "currency": "USD"}
    assert made["budget"]["resetAt"].endswith("-01T00:00:00.000Z")
    assert (of_key["budget"]["scope"], of_key["budget"]["resetAt"]) == ("KEY", None)
    assert mine["budgets"] == [
        {"window": "MONTH", "scope": "PROJECT", "limit": {"amount": "20"}},
        {"window": "TOTAL", "scope": "KEY", "limit": {"amount": "1"}},
    ]
    assert mine["apiKey"]["budgets"] == [{"window": "TOTAL", "scope": "KEY"}]
    assert gone["budget"] is None
    assert [each["scope"] for each in left["budgets"]] == ["KEY"]


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"limit": {"amount": "-1"}}, ["input", "limit", "amount"]),
        ({"limit": {"amount": "0.0000000001"}}, ["input", "limit", "amount"]),
        ({"limit": {"amount": "1", "currency": "usd"}}, ["input", "limit", "currency"]),
        ({"callbackUrl": "http://10.0.0.1/"}, ["input", "callbackUrl"]),
        ({"apiKeyId": global_id("ApiKey", "0" * 32)}, ["input", "apiKeyId"]),
    ],
)
async def test_what_is_wrong_with_a_budget_is_told_with_its_path(
    graph: Graph, caller: Caller, more: dict[str, Any], path: list[str]
) -> None:
    answer = await set_budget(graph, caller, "1", **more)

    assert answer["budget"] is None
    assert [error["path"] for error in answer["errors"]] == [path]


async def test_the_key_of_another_project_gets_no_budget(graph: Graph, caller: Caller) -> None:
    theirs = await graph.caller("theirs")

    answer = await set_budget(graph, caller, "1", apiKeyId=global_id("ApiKey", theirs.key_id))

    assert [error["code"] for error in answer["errors"]] == ["NOT_FOUND"]


async def test_only_admins_of_keys_set_budgets(graph: Graph) -> None:
    caller = await graph.caller(scopes=[Scope.PREDICTIONS_WRITE, Scope.USAGE_READ])

    assert await graph.codes(caller, SET, input={"window": "DAY"}) == ["FORBIDDEN"]


async def test_setting_a_budget_is_noted(graph: Graph, caller: Caller) -> None:
    await set_budget(graph, caller, "3")

    document = "{ auditEvents(first: 5) { nodes { action subject details } } }"
    (event,) = [
        each
        for each in (await graph.data(caller, document))["auditEvents"]["nodes"]
        if each["action"] == "budget.set"
    ]
    assert event["details"] == {"limit": {"amount": "3", "currency": "USD"}}


async def test_a_prediction_that_is_not_covered_says_which_budget_it_is(serving: Graph) -> None:
    caller = await serving.caller()
    records = [examples("diabetes")[0]["record"]]
    await set_budget(serving, caller, "0.0000015", window="DAY")

    answers = [(await serving.data(caller, PREDICT, records=records))["predict"] for _ in range(2)]

    assert answers[0] == {"prediction": {"status": "SUCCEEDED"}, "errors": []}
    (error,) = answers[1]["errors"]
    assert (error["code"], error["retryable"], error["limit"]) == ("BUDGET_EXCEEDED", False, None)
    assert error["budget"]["spent"] == {"amount": "0.000001", "currency": "USD"}
    assert error["budget"]["resetAt"] is not None
