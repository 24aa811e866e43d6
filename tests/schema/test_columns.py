"""Lists read the columns of what is selected, and no others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from graphql import get_named_type, is_leaf_type

from tests.schema.edges import edge, reachable
from tests.schema.graph import Caller, Graph
from tests.schema.peopled import peopled

PREDICTIONS = "query ($first: Int!) {{ predictions(first: $first) {{ nodes {{ id {0} }} }} }}"
EDGES = "query ($first: Int!) {{ predictions(first: $first) {{ edges {{ node {{ id {0} }} }} }} }}"
ONE_BY_ONE = "query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on Prediction {{ id {0} }} }} }}"


def fields() -> dict[str, str]:
    """Returns the selection of each field of a prediction."""
    of = reachable()["Prediction"]
    return {
        name: name if is_leaf_type(get_named_type(field.type)) else edge("Prediction", name)
        for name, field in of.fields.items()
    } | {"job": "job { id }"}  # its addresses have the time in them


def columns(statements: Sequence[str], table: str = "prediction") -> set[str]:
    """Returns the columns that the statements read of a table."""
    heads = [" ".join(statement.split()).partition(" FROM ")[0] for statement in statements]
    return {name for head in heads for name in re.findall(rf"\b{table}\.(\w+)", head)}


async def listed(graph: Graph, caller: Caller, document: str) -> tuple[Any, set[str]]:
    with graph.statements() as statements:
        data = await graph.data(caller, document, first=100)
    return data["predictions"], columns(statements)


async def test_each_field_of_a_prediction_finds_in_a_list_what_it_finds_of_one(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    await peopled(any_graph, caller)

    for name, selection in fields().items():
        nodes = (await listed(any_graph, caller, PREDICTIONS.format(selection)))[0]["nodes"]
        ids = [node["id"] for node in nodes]
        whole = await any_graph.data(caller, ONE_BY_ONE.format(selection), ids=ids)
        edges = (await listed(any_graph, caller, EDGES.format(selection)))[0]["edges"]

        assert nodes == whole["nodes"], name
        assert [edge["node"] for edge in edges] == nodes, name


async def test_a_list_reads_only_the_columns_of_what_is_selected(graph: Graph, caller: Caller) -> None:
    await peopled(graph, caller)

    _, of_some = await listed(graph, caller, PREDICTIONS.format("status usage { records }"))
    _, of_none = await listed(
        graph, caller, "query ($first: Int!) { predictions(first: $first) { pageInfo { hasNextPage } } }"
    )

    assert {"id", "status", "records"} <= of_some
    assert not {"created_at", "error", "meta", "total_ms"} & of_some
    assert of_none == {"id"}


@pytest.mark.parametrize("field", ["CREATED_AT", "FINISHED_AT"])
async def test_a_list_has_cursors_whatever_is_selected(graph: Graph, caller: Caller, field: str) -> None:
    await peopled(graph, caller)
    document = f"""query ($first: Int!, $after: String) {{
      predictions(first: $first, after: $after, orderBy: {{ field: {field}, direction: ASC }}) {{
        nodes {{ id }} pageInfo {{ endCursor }} }} }}"""

    whole = await graph.data(caller, document, first=10)
    half = await graph.data(caller, document, first=5)
    rest = await graph.data(caller, document, first=5, after=half["predictions"]["pageInfo"]["endCursor"])

    assert len(whole["predictions"]["nodes"]) == 10
    assert half["predictions"]["nodes"] + rest["predictions"]["nodes"] == whole["predictions"]["nodes"]


async def test_a_prediction_that_stands_in_a_list_in_part_is_found_whole_beside_it(
    graph: Graph, caller: Caller
) -> None:
    ids = (await peopled(graph, caller))["Prediction"]
    document = """query ($id: ID!) {
      predictions(first: 100) { nodes { id } }
      prediction(id: $id) { id status requestId model { name } } }"""

    found = await graph.data(caller, document, id=ids[0])

    assert found["prediction"]["model"]
    assert found["prediction"]["requestId"]


async def test_what_models_and_jobs_have_of_predictions_reads_only_what_is_selected(
    any_graph: Graph,
) -> None:
    caller = await any_graph.caller()
    await peopled(any_graph, caller)

    with any_graph.statements() as statements:
        data = await any_graph.data(
            caller, "{ models(first: 5) { nodes { predictions(first: 2) { nodes { id status } } } } }"
        )

    assert all(node["predictions"]["nodes"] for node in data["models"]["nodes"])
    (of_predictions,) = [each for each in statements if "FROM prediction" in each]
    assert not re.search(r"\.(request_id|created_at|total_ms)\b", of_predictions)
