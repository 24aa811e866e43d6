"""Usage over GraphQL: buckets, groups, totals, percentiles, currencies and pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db.tables import PredictionRow
from engine.usage import ledger
from engine.usage.ledger import Folding
from engine.values import Scope
from schema.nodes import global_id
from tests.schema.batches import ended, submitted
from tests.schema.graph import Caller, Graph, model, prediction, version

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)

USAGE = """
query (
  $range: DateTimeRangeInput!, $interval: UsageInterval! = DAY, $groupBy: [UsageDimension!]! = [],
  $filter: UsageFilterInput, $first: Int, $after: String, $last: Int, $before: String
) {
  usage(range: $range, interval: $interval, groupBy: $groupBy, filter: $filter,
        first: $first, after: $after, last: $last, before: $before) {
    totalCount
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    totals { ...sums }
    nodes { start end model { name } modelVersion { version } apiKey { id } job { id } totals { ...sums } }
  }
}
fragment sums on UsageTotals {
  predictions failed cached inputTokens cachedInputTokens outputTokens records unpriced
  cost { amount currency } otherCosts { amount currency }
}
"""
PERCENTILES = """
query ($range: DateTimeRangeInput!) {
  usage(range: $range) { nodes { totals { ...of } } totals { ...of } }
}
fragment of on UsageTotals {
  latencyP50Ms latencyP95Ms latencyP99Ms timeToFirstTokenP50Ms timeToFirstTokenP95Ms
}
"""


def between(since: datetime, until: datetime) -> dict[str, str]:
    return {"gte": since.isoformat(), "lt": until.isoformat()}


WEEK = between(START, START + 7 * DAY)


async def book(graph: Graph, *rows: PredictionRow, fold: bool = True) -> None:
    """Stores predictions with their ledger rows, as the engine does."""
    await graph.add(*rows)
    async with graph.database.write() as connection:
        await ledger.record(connection, rows)
    if fold:
        await Folding(graph.database).fold()


async def usage(graph: Graph, caller: Caller, **variables: Any) -> Any:
    return (await graph.data(caller, USAGE, **variables))["usage"]


async def test_every_day_of_a_range_has_a_bucket_and_the_totals_are_their_sum(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    of = await stored_version(any_graph)
    await book(
        any_graph,
        prediction(caller, of, at=START + 3 * HOUR, input_tokens=7, cached_input_tokens=2, output_tokens=3),
        prediction(caller, of, at=START + 23 * HOUR, status="FAILED", cost_nanos=None, currency=None),
        prediction(caller, of, at=START + 2 * DAY, cached=True, cost_nanos=0),
    )

    found = await usage(any_graph, caller, range=WEEK)

    assert [(node["start"][:10], node["totals"]["predictions"]) for node in found["nodes"]] == [
        ("2026-11-01", "2"), ("2026-11-02", "0"), ("2026-11-03", "1"), ("2026-11-04", "0"),
        ("2026-11-05", "0"), ("2026-11-06", "0"), ("2026-11-07", "0"),
    ]  # fmt: skip
    assert found["totals"] == {
        "predictions": "3", "failed": "1", "cached": "1", "inputTokens": "7", "cachedInputTokens": "2",
        "outputTokens": "3", "records": "3", "unpriced": "1",
        "cost": {"amount": "0.0000015", "currency": "USD"}, "otherCosts": [],
    }  # fmt: skip


async def stored_version(graph: Graph, name: str = "used", versions: int = 1) -> Any:
    """Stores a model; returns its version, or a list of them."""
    found = model(name)
    made = [version(found, number) for number in range(1, versions + 1)]
    await graph.add(found)
    await graph.add(*made)
    return made if versions > 1 else made[0]


async def test_what_is_not_folded_yet_counts_and_counts_once(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    of = await stored_version(any_graph)
    await book(any_graph, prediction(caller, of, at=START))
    await book(any_graph, prediction(caller, of, at=START), fold=False)

    before = await usage(any_graph, caller, range=WEEK)
    await Folding(any_graph.database).fold()
    after = await usage(any_graph, caller, range=WEEK)

    assert before["totals"]["predictions"] == "2"
    assert before == after


async def test_usage_is_split_by_any_set_of_dimensions(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    other = await any_graph.colleague(caller.project_id, [Scope.MODELS_READ])
    first, second = await stored_version(any_graph, versions=2)
    await book(
        any_graph,
        prediction(caller, first, at=START),
        prediction(other, first, at=START),
        prediction(other, second, at=START),
        prediction(other, second, at=START + DAY, api_key_id=None),
    )

    async def split(*dimensions: str) -> list[tuple[Any, ...]]:
        found = await usage(any_graph, caller, range=WEEK, groupBy=dimensions)
        return sorted(
            (
                node["start"][8:10],
                (node["model"] or {}).get("name"),
                (node["modelVersion"] or {}).get("version"),
                (node["apiKey"] or {}).get("id", ""),
                node["totals"]["predictions"],
            )
            for node in found["nodes"]
        )

    mine, theirs = (global_id("ApiKey", each.key_id) for each in (caller, other))
    assert await split("MODEL") == [("01", "used", None, "", "3"), ("02", "used", None, "", "1")]
    assert await split("MODEL_VERSION", "API_KEY", "JOB", "MODEL") == sorted([
        ("01", "used", "1", mine, "1"), ("01", "used", "1", theirs, "1"),
        ("01", "used", "2", theirs, "1"), ("02", "used", "2", "", "1"),
    ])  # fmt: skip


async def test_usage_is_narrowed_by_model_version_and_key(graph: Graph, caller: Caller) -> None:
    first, second = await stored_version(graph, versions=2)
    third = await stored_version(graph, "third")
    await book(graph, *(prediction(caller, of, at=START) for of in (first, second, third)))

    async def predictions(**only: Any) -> str:
        found = await usage(graph, caller, range=WEEK, filter=only)
        return found["totals"]["predictions"]  # type: ignore[no-any-return]

    assert await predictions(modelId=[global_id("Model", first.model_id)]) == "2"
    assert await predictions(modelVersionId=[global_id("ModelVersion", second.id)]) == "1"
    assert await predictions(apiKeyId=[global_id("ApiKey", caller.key_id)]) == "3"
    assert await predictions(apiKeyId=[]) == "0"


async def test_hours_and_months_are_cut_to_the_range(graph: Graph, caller: Caller) -> None:
    of = await stored_version(graph)
    await book(graph, prediction(caller, of, at=START + 90 * timedelta(minutes=1)))
    ragged = between(START + timedelta(minutes=30), START + timedelta(hours=2, minutes=1))

    hours = await usage(graph, caller, range=ragged, interval="HOUR")
    months = await usage(graph, caller, range=between(START - DAY, START + DAY), interval="MONTH")

    assert [(node["start"][11:16], node["end"][11:16]) for node in hours["nodes"]] == [
        ("00:00", "01:00"),
        ("01:00", "02:00"),
        ("02:00", "03:00"),
    ]
    assert [node["totals"]["predictions"] for node in hours["nodes"]] == ["0", "1", "0"]
    assert [(node["start"][:10], node["end"][:10]) for node in months["nodes"]] == [
        ("2026-10-31", "2026-11-01"),
        ("2026-11-01", "2026-11-02"),
    ]


async def test_percentiles_are_right_to_one_percent_folded_or_not(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    of = await stored_version(any_graph)
    durations = [float(number) for number in range(1, 101)]
    rows = [
        prediction(caller, of, at=START, total_ms=duration, time_to_first_token_ms=duration / 2)
        for duration in durations
    ]
    await book(any_graph, *rows[::2])
    await book(any_graph, *rows[1::2], fold=False)

    found = (await any_graph.data(caller, PERCENTILES, range=between(START, START + 2 * DAY)))["usage"]

    assert found["totals"]["latencyP50Ms"] == pytest.approx(50, rel=0.02)
    assert found["totals"]["latencyP95Ms"] == pytest.approx(95, rel=0.02)
    assert found["totals"]["latencyP99Ms"] == pytest.approx(99, rel=0.02)
    assert found["totals"]["timeToFirstTokenP95Ms"] == pytest.approx(47.5, rel=0.02)
    assert found["nodes"][0]["totals"] == found["totals"]
    assert set(found["nodes"][1]["totals"].values()) == {None}


async def test_currencies_are_never_added_to_each_other(graph: Graph, caller: Caller) -> None:
    of = await stored_version(graph)
    euros = [prediction(caller, of, at=START, currency="EUR", cost_nanos=1) for _ in range(2)]
    await book(graph, *euros, prediction(caller, of, at=START + DAY))

    found = await usage(graph, caller, range=WEEK)

    expected = {"amount": "0.000000002", "currency": "EUR"}
    assert found["totals"]["cost"] == expected
    assert found["totals"]["otherCosts"] == [{"amount": "0.0000015", "currency": "USD"}]
    assert {node["totals"]["cost"]["currency"] for node in found["nodes"]} == {"EUR"}


async def test_buckets_come_in_pages(graph: Graph, caller: Caller) -> None:
    whole = await usage(graph, caller, range=WEEK)
    starts = [node["start"] for node in whole["nodes"]]

    first = await usage(graph, caller, range=WEEK, first=3)
    rest = await usage(graph, caller, range=WEEK, first=9, after=first["pageInfo"]["endCursor"])
    last = await usage(graph, caller, range=WEEK, last=2)
    before = await usage(graph, caller, range=WEEK, last=2, before=last["pageInfo"]["startCursor"])

    pages = [[node["start"] for node in page["nodes"]] for page in (first, rest, last, before)]
    assert pages == [starts[:3], starts[3:], starts[5:], starts[3:5]]
    assert first["totalCount"] == 7
    assert (first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)
    assert (before["pageInfo"]["hasNextPage"], before["pageInfo"]["hasPreviousPage"]) == (True, True)


@pytest.mark.parametrize(
    "variables",
    [
        {"range": {}},
        {"range": {"gte": "2026-11-02T00:00:00Z", "lt": "2026-11-01T00:00:00Z"}},
        {"range": {"gte": "2020-01-01T00:00:00Z", "lt": "2026-11-01T00:00:00Z"}},
        {"range": {"gte": "2026-01-01T00:00:00Z", "lt": "2026-11-01T00:00:00Z"}, "interval": "HOUR"},
        {"range": WEEK, "after": "nonsense"},
        {"range": WEEK, "filter": {"modelId": ["nonsense"]}},
    ],
)
async def test_a_question_without_an_answer_is_refused(
    graph: Graph, caller: Caller, variables: dict[str, Any]
) -> None:
    assert await graph.codes(caller, USAGE, **variables) == ["BAD_USER_INPUT"]


async def test_usage_needs_its_scope_and_stays_within_the_project(graph: Graph, caller: Caller) -> None:
    of = await stored_version(graph)
    await book(graph, prediction(caller, of, at=START))
    stranger = await graph.caller("theirs")
    reader = await graph.colleague(caller.project_id, [Scope.MODELS_READ])

    theirs = await usage(graph, stranger, range=WEEK)

    assert theirs["totals"]["predictions"] == "0"
    assert await graph.codes(reader, USAGE, range=WEEK) == ["FORBIDDEN"]


OF_MODELS = """
query ($range: DateTimeRangeInput!, $first: Int) {
  models(first: $first) { nodes { name usage(range: $range) { predictions latencyP50Ms cost { amount } } } }
}
"""


async def test_the_usage_of_many_models_costs_as_many_statements_as_of_two(
    graph: Graph, caller: Caller
) -> None:
    versions = [await stored_version(graph, f"m{number:02}") for number in range(40)]
    await book(graph, *(prediction(caller, of, at=START) for of in versions))

    counts, answers = [], []
    for first in (2, 40):
        with graph.statements() as statements:
            answers.append(await graph.data(caller, OF_MODELS, range=WEEK, first=first))
        counts.append(len(statements))

    assert counts[0] == counts[1]
    assert {node["usage"]["predictions"] for node in answers[1]["models"]["nodes"]} == {"1"}
    assert answers[1]["models"]["nodes"][0]["usage"]["latencyP50Ms"] == pytest.approx(4, rel=0.01)


async def test_a_key_tells_what_it_asked_for(graph: Graph, caller: Caller) -> None:
    of = await stored_version(graph)
    await book(graph, prediction(caller, of, at=START), prediction(caller, of, at=START, api_key_id=None))

    document = (
        "query ($range: DateTimeRangeInput!) { viewer { apiKey { usage(range: $range) { predictions } } } }"
    )
    found = await graph.data(caller, document, range=WEEK)

    assert found["viewer"]["apiKey"]["usage"] == {"predictions": "1"}


async def test_a_job_tells_what_its_items_used(serving: Graph) -> None:
    caller = await serving.caller()
    job_id = await submitted(serving, caller, 7)
    await ended(serving, caller, job_id)
    await submitted(serving, caller, 2)  # of another job

    document = "query ($id: ID!) { job(id: $id) { usage { predictions records cost { amount } } } }"
    found = (await serving.data(caller, document, id=job_id))["job"]["usage"]

    assert found == {"predictions": "7", "records": "7", "cost": {"amount": "0.000007"}}
