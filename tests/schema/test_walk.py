"""Walks through the whole graph: what it costs, and what it lets out."""

from __future__ import annotations

import pytest

from engine.values import Scope
from tests.schema.graph import Caller, Graph, model, prediction, price, version
from tests.schema.selections import each_field

WALK = """
query ($first: Int) {
  models(first: $first) { nodes { name versions(first: 5) { nodes { version predictions(first: 5) { nodes {
    id model { name } modelVersion { version } apiKey { name } explanation { baseline }
    input { ... on TabularInputData { records } }
    output { ... on TabularOutput { results { value } } }
  } totalCount } } totalCount } } }
}
"""


async def populated(graph: Graph, caller: Caller, models: int) -> None:
    """Stores models with two versions each, and three predictions of each version."""
    found = [model(f"model-{number:02}") for number in range(models)]
    versions = [version(its_model, number) for its_model in found for number in (1, 2)]
    for its_model in found:
        its_model.default_version_id = next(row.id for row in versions if row.model_id == its_model.id)
    await graph.add(*found)
    await graph.add(*versions)
    await graph.add(*map(price, versions))
    await graph.add(*(prediction(caller, its_version) for its_version in versions for _ in range(3)))


async def test_the_walk_from_models_to_predictions_and_back_costs_the_same_for_2_and_for_40(
    any_graph: Graph,
) -> None:
    caller = await any_graph.caller()
    await populated(any_graph, caller, 40)

    with any_graph.statements() as for_two:
        two = await any_graph.data(caller, WALK, first=2)
    with any_graph.statements() as for_forty:
        forty = await any_graph.data(caller, WALK, first=40)

    assert (len(two["models"]["nodes"]), len(forty["models"]["nodes"])) == (2, 40)
    made = [
        made
        for found in forty["models"]["nodes"]
        for its_version in found["versions"]["nodes"]
        for made in its_version["predictions"]["nodes"]
    ]
    assert len(made) == 240
    assert made[0]["output"] == {"results": [{"value": 1.0}]}
    assert made[0]["input"] == {"records": [{"x": 1}]}
    assert len(for_forty) == len(for_two), "\n".join(for_forty)


LISTS = {
    "Model": "models(first: $first) { nodes",
    "ModelVersion": "models(first: $first) { nodes { versions(first: 2) { nodes",
    "Prediction": "predictions(first: $first) { nodes",
    "ApiKey": "viewer { project { apiKeys(first: $first) { nodes",
}
"""Where objects of a type are found in numbers; `$first` says in how many."""


@pytest.mark.parametrize("type_name", LISTS)
async def test_no_field_of_an_object_in_a_list_costs_more_statements_for_40_than_for_2(
    any_graph: Graph, type_name: str
) -> None:
    caller = await any_graph.caller()
    await populated(any_graph, caller, 40)
    for _ in range(39):
        await any_graph.colleague(caller.project_id, [Scope.MODELS_READ])
    place = LISTS[type_name]

    for field in each_field(type_name, 1):
        document = f"query ($first: Int) {{ {place} {{ {field} }} {'}' * (place.count('{') + 1)}"
        with any_graph.statements() as for_two:
            await any_graph.data(caller, document, first=2)
        with any_graph.statements() as for_forty:
            await any_graph.data(caller, document, first=40)

        assert len(for_forty) == len(for_two), field
