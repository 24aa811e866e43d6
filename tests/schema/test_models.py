from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from db.queries.registry import raise_revision
from db.tables import PriceRow
from db.tables.base import table_of
from engine.values import ModelTask
from schema.nodes import global_id
from tests.schema.graph import Caller, Graph, model, version

AT = datetime(2026, 11, 1, tzinfo=UTC)
TASKS = [task.value for task in ModelTask]

NAMES = """query ($filter: ModelFilterInput) {
  models(filter: $filter, orderBy: {field: NAME, direction: ASC}) { nodes { name } totalCount } }"""


async def names(graph: Graph, caller: Caller, **conditions: Any) -> list[str]:
    found = (await graph.data(caller, NAMES, filter=conditions))["models"]
    assert found["totalCount"] == len(found["nodes"])
    return [node["name"] for node in found["nodes"]]


async def test_a_model_shows_everything_it_has(graph: Graph, caller: Caller) -> None:
    row = model("shown", display_name="Shown", description="To be seen.", tags=["a", "b"])
    its_version = version(row, status="FAILED", status_reason="gone", max_batch_size=8)
    row.default_version_id = its_version.id
    await graph.add(row)
    await graph.add(its_version)

    found = await graph.data(
        caller,
        """{ model(ref: {name: "shown"}) {
          id name displayName description task status tags createdAt updatedAt
          defaultVersion { version }
          version(ref: {version: "1"}) {
            id version status statusReason backend maxBatchSize inputSchema price { currency } createdAt
            inputs { name datatype shape } outputs { name } model { name } } } }""",
    )

    assert found["model"] == {
        "id": global_id("Model", row.id),
        "name": "shown",
        "displayName": "Shown",
        "description": "To be seen.",
        "task": "TABULAR_REGRESSION",
        "status": "READY",
        "tags": ["a", "b"],
        "createdAt": shown(row.created_at),
        "updatedAt": shown(row.updated_at),
        "defaultVersion": {"version": "1"},
        "version": {
            "id": global_id("ModelVersion", its_version.id),
            "version": "1",
            "status": "FAILED",
            "statusReason": "gone",
            "backend": "ONNX",
            "maxBatchSize": 8,
            "inputSchema": {"type": "object"},
            "price": None,
            "createdAt": shown(its_version.created_at),
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 1]}],
            "outputs": [{"name": "x"}],
            "model": {"name": "shown"},
        },
    }


def shown(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def test_models_are_filtered(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    await any_graph.add(
        model("apple", tags=["Red", "fruit"], task="TENSOR"),
        model("pear", tags=["fruit"], status="FAILED"),
        model("rose", tags=["red", 'a"b', "ü"]),
        model("100_percent", tags=[]),
    )

    assert await names(any_graph, caller) == ["100_percent", "apple", "pear", "rose"]
    assert await names(any_graph, caller, tags=["fruit"]) == ["apple", "pear"]
    assert await names(any_graph, caller, tags=["red"]) == ["rose"]
    assert await names(any_graph, caller, tags=["red", "fruit"]) == ["apple", "pear", "rose"]
    assert await names(any_graph, caller, tags=['a"b']) == ["rose"]
    assert await names(any_graph, caller, tags=["ü"]) == ["rose"]
    assert await names(any_graph, caller, tags=["frui"]) == []
    assert await names(any_graph, caller, tags=["%"]) == []
    assert await names(any_graph, caller, task=["TENSOR"]) == ["apple"]
    assert await names(any_graph, caller, status=["FAILED"], task=["TABULAR_REGRESSION"]) == ["pear"]
    assert await names(any_graph, caller, search="PE") == ["100_percent", "pear"]
    assert await names(any_graph, caller, search="%") == []
    assert await names(any_graph, caller, search="0_p") == ["100_percent"]


@pytest.mark.parametrize("condition", ["task", "status", "tags"])
async def test_a_filter_for_any_of_none_finds_none(any_graph: Graph, condition: str) -> None:
    caller = await any_graph.caller()
    await any_graph.add(model("apple", tags=["fruit"]))

    assert await names(any_graph, caller, **{condition: []}) == []
    assert await names(any_graph, caller, **{condition: None}) == ["apple"]


@pytest.mark.parametrize("field", ["CREATED_AT", "UPDATED_AT", "NAME"])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_a_page_of_all_models_is_that_of_a_filter_that_all_pass(
    any_graph: Graph, field: str, direction: str
) -> None:
    caller, other = await any_graph.caller(), await any_graph.caller("other")
    rows = [model(f"model-{number}", updated_at=AT - timedelta(hours=number % 3)) for number in range(7)]
    hidden = [model("theirs", project_id=other.project_id), model("gone", deleted_at=AT)]
    await any_graph.add(*rows, *hidden, model("own", project_id=caller.project_id))
    document = """query ($filter: ModelFilterInput, $by: ModelOrderInput, $first: Int, $after: String,
      $last: Int, $before: String) { models(
        filter: $filter, orderBy: $by, first: $first, after: $after, last: $last, before: $before) {
          edges { cursor node { name } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""

    async def page(**place: Any) -> Any:
        by = {"field": field, "direction": direction}
        whole = await any_graph.data(caller, document, by=by, **place)
        narrowed = await any_graph.data(caller, document, by=by, filter={"task": TASKS}, **place)
        assert whole == narrowed
        return whole["models"]

    every = await page(first=100)
    cursors = [edge["cursor"] for edge in every["edges"]]
    first, last = await page(first=3), await page(last=3)
    for cursor in cursors:
        await page(first=3, after=cursor)
        await page(last=3, before=cursor)

    assert len(cursors) == 8
    assert first["edges"] == every["edges"][:3]
    assert last["edges"] == every["edges"][-3:]
    assert (await page(first=0))["edges"] == []


async def test_a_text_that_no_database_can_hold_finds_nothing(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    await any_graph.add(model("apple"))
    by_name = "query ($name: String!) { model(ref: {name: $name}) { name } }"
    by_version = """query ($name: String!) {
      model(ref: {name: "apple"}) { version(ref: {version: $name}) { version } } }"""

    assert await any_graph.data(caller, by_name, name="\x00") == {"model": None}
    assert await any_graph.data(caller, by_version, name="\x00") == {"model": {"version": None}}
    assert await names(any_graph, caller, search="\x00") == []
    assert await names(any_graph, caller, tags=["\x00"]) == []


async def test_a_projects_own_model_hides_the_operators_of_the_same_name(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    shared, own = model("apple"), model("apple", project_id=caller.project_id)
    await any_graph.add(shared)
    await any_graph.add(own)
    stranger = await any_graph.caller("strangers")
    document = '{ model(ref: {name: "apple"}) { id } }'

    mine = await any_graph.data(caller, document)
    theirs = await any_graph.data(stranger, document)

    assert mine == {"model": {"id": global_id("Model", own.id)}}
    assert theirs == {"model": {"id": global_id("Model", shared.id)}}


async def test_a_version_of_another_model_is_not_found_below_this_one(graph: Graph, caller: Caller) -> None:
    one, other = model("one"), model("other")
    its_version = version(other)
    await graph.add(one, other)
    await graph.add(its_version)
    document = """query ($id: ID!) { model(ref: {name: "one"}) { version(ref: {id: $id}) { id } } }"""

    found = await graph.data(caller, document, id=global_id("ModelVersion", its_version.id))

    assert found == {"model": {"version": None}}


async def test_the_price_is_the_one_that_holds_now(graph: Graph, caller: Caller) -> None:
    row = model("priced")
    its_version = version(row)
    now = datetime.now(UTC)
    await graph.add(row)
    await graph.add(its_version)
    for days, nanos in ((-2, 1), (-1, 1_500_000_000), (1, 3)):
        at = now + timedelta(days=days)
        await graph.add(
            PriceRow(model_version_id=its_version.id, valid_from=at, input_nanos_per_million=nanos)
        )

    found = await graph.data(
        caller,
        """{ model(ref: {name: "priced"}) { version(ref: {version: "1"}) { price {
             currency inputPerMillionTokens outputPerMillionTokens perPrediction } } } }""",
    )

    assert found["model"]["version"]["price"] == {
        "currency": "USD",
        "inputPerMillionTokens": "1.5",
        "outputPerMillionTokens": None,
        "perPrediction": None,
    }


PAGES = """query ($first: Int, $after: String) { model(ref: {name: "paged"}) {
  versions(first: $first, after: $after) {
    totalCount pageInfo { hasNextPage endCursor } nodes { version status } edges { node { version } } } } }"""


async def test_pages_of_versions_are_kept_until_the_registry_changes(any_graph: Graph) -> None:
    caller, of = await any_graph.caller(), model("paged")
    await any_graph.add(of)
    await any_graph.add(version(of, 1), version(of, 2), version(of, 3))

    async def page(**place: Any) -> Any:
        return (await any_graph.data(caller, PAGES, **place))["model"]["versions"]

    async def versions(**place: Any) -> list[str]:
        found = await page(**place)
        assert [edge["node"]["version"] for edge in found["edges"]] == [
            node["version"] for node in found["nodes"]
        ]
        return [node["version"] for node in found["nodes"]]

    first = await page(first=2)
    assert await page(first=2) == first
    assert first["pageInfo"]["hasNextPage"]
    assert await versions(first=2, after=first["pageInfo"]["endCursor"]) == ["1"]
    assert await versions(first=2) == ["3", "2"]
    assert [await versions(first=size) for size in range(12)][-2:] == [["3", "2", "1"]] * 2

    newest = version(of, 4, status="LOADING")
    async with any_graph.database.write() as connection:
        await connection.execute(insert(table_of(type(newest))).values(newest.model_dump()))
        await raise_revision(connection)

    assert await versions(first=2) == ["4", "3"]
    assert (await page(first=2))["totalCount"] == first["totalCount"] + 1 == 4


async def test_versions_of_a_known_registry_are_counted_without_a_statement(
    graph: Graph, caller: Caller
) -> None:
    rows = [model(f"model-{number}") for number in range(5)]
    await graph.add(*rows)
    await graph.add(*(version(row) for row in rows))
    document = "{ models { nodes { versions { totalCount nodes { version } } } } }"
    await graph.data(caller, document)

    with graph.statements() as statements:
        await graph.data(caller, document)

    assert not any("model_version" in statement.lower() for statement in statements)
