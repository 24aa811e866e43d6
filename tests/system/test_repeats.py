"""The same request a hundred times over two processes is one prediction and one call of the model."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.system.processes import Server

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.slow]

RECORD: dict[str, float] = json.loads(
    (Path(__file__).parents[2] / "foretell" / "embedded" / "examples.json").read_text()
)["breast-cancer"][0]["record"]

PREDICT = """mutation ($record: JSON!, $key: String) {
  predict(input: {
    model: {name: "breast-cancer"}, idempotencyKey: $key, data: {tabular: {records: [$record]}}
  }) {
    replayed
    prediction { id status cached attempts output { ... on TabularOutput { results { label score } } } }
    errors { code message }
  }
}"""
TOTALS = "{ predictions { totalCount } }"


async def a_hundred_times(servers: tuple[Server, Server], **variables: Any) -> list[dict[str, Any]]:
    asking = (servers[turn % 2].ask(PREDICT, **variables) for turn in range(100))
    answers = [answer["predict"] for answer in await asyncio.gather(*asking)]
    assert all(answer["errors"] == [] for answer in answers), answers
    return answers


async def test_an_idempotency_key_makes_a_hundred_requests_one(two_servers: tuple[Server, Server]) -> None:
    answers = await a_hundred_times(two_servers, record=RECORD, key="once")

    assert len({json.dumps(answer["prediction"]) for answer in answers}) == 1
    assert answers[0]["prediction"]["status"] == "SUCCEEDED"
    assert answers[0]["prediction"]["attempts"] == 1
    assert Counter(answer["replayed"] for answer in answers) == {False: 1, True: 99}
    assert (await two_servers[1].ask(TOTALS))["predictions"]["totalCount"] == 1


async def test_a_hundred_equal_questions_are_one_call_of_the_model(
    two_servers: tuple[Server, Server],
) -> None:
    answers = await a_hundred_times(two_servers, record=RECORD | {"mean_radius": 12.5}, key=None)

    predictions = [answer["prediction"] for answer in answers]
    assert len({prediction["id"] for prediction in predictions}) == 100
    assert len({json.dumps(prediction["output"]) for prediction in predictions}) == 1
    assert Counter(prediction["cached"] for prediction in predictions) == {False: 1, True: 99}
