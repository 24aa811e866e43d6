"""Keys that are for some models only: nothing else exists for them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from db.tables import JobRow, WebhookDeliveryRow
from db.types import now
from engine.usage import ledger
from engine.usage.ledger import Folding
from engine.values import Scope
from schema.nodes import global_id
from tests.schema.graph import Caller, Graph, model, prediction, price, version
from tests.schema.selections import BY_TYPE, SCHEMA, call, each_field

HIDDEN = "hidden-from-this-key"
CREATE = """mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) {
  apiKey { models { name } } secret errors { code path } } }"""
DOCUMENTS = [
    f"query ($id: ID!) {{ always: node(id: $id) {{ id }} {field} }}"
    for field in each_field("Query", 2, {**BY_TYPE, "ID": "$id", "ModelVersionRefInput": "{id: $id}"})
]


async def stocked(graph: Graph, caller: Caller) -> tuple[str, list[str]]:
    """Stores two models and what was made with each; returns the id of one, and all of the other's."""
    shown, hidden = model("shown"), model(HIDDEN, display_name=HIDDEN, tags=[HIDDEN])
    versions = [version(shown), version(hidden, status_reason=HIDDEN)]
    shown.default_version_id, hidden.default_version_id = (row.id for row in versions)
    made = [prediction(caller, each, request_id=each.model_id) for each in versions]
    made[1].output, made[1].meta = {"results": [{"label": HIDDEN}]}, {HIDDEN: HIDDEN}
    job = JobRow(
        project_id=caller.project_id,
        api_key_id=caller.key_id,
        model_id=hidden.id,
        model_version_id=versions[1].id,
        request_id=HIDDEN,
        name=HIDDEN,
        status="RUNNING",
        source="source",
        total=1,
        open_chunks=1,
        deadline_at=now(),
    )
    delivery = WebhookDeliveryRow(
        project_id=caller.project_id,
        event="job.succeeded",
        url="https://example.org/",
        host="example.org",
        payload={},
        job_id=job.id,
        next_attempt_at=now() + timedelta(days=1),
    )
    await graph.add(shown, hidden)
    await graph.add(*versions)
    await graph.add(*map(price, versions), job)
    await graph.add(*made, delivery)
    async with graph.database.write() as connection:
        await ledger.record(connection, made)
    await Folding(graph.database).fold()
    ids: list[str] = [
        global_id("Model", hidden.id),
        global_id("ModelVersion", versions[1].id),
        global_id("Prediction", made[1].id),
        global_id("Job", job.id),
        global_id("WebhookDelivery", delivery.id),
    ]
    return shown.id, ids


async def test_a_key_for_all_models_comes_by_all_of_them(graph: Graph, caller: Caller) -> None:
    _, ids = await stocked(graph, caller)

    answers = [await graph.answer(caller, document, id=each) for each in ids for document in DOCUMENTS]

    told = str([answer["data"] for answer in answers])
    assert [each for each in ids if each not in told] == []
    assert told.count(HIDDEN) > 20


async def test_nothing_of_other_models_is_told_to_a_key_for_one(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    shown, ids = await stocked(any_graph, caller)
    narrow = await any_graph.colleague(caller.project_id, models=[shown])

    for node_id in ids:
        for document in DOCUMENTS:
            answer = await any_graph.answer(narrow, document, id=node_id)

            assert HIDDEN not in str(answer)
            assert [each for each in ids if each in str(answer["data"])] == []
            assert {error["extensions"]["code"] for error in answer.get("errors", [])} <= {"BAD_USER_INPUT"}


async def test_lists_counts_and_sums_are_those_of_the_one_model(graph: Graph, caller: Caller) -> None:
    shown, ids = await stocked(graph, caller)
    narrow = await graph.colleague(caller.project_id, models=[shown])

    answer = await graph.data(
        narrow,
        """query ($hidden: ID!, $name: String!) {
          models { totalCount nodes { name } } predictions { totalCount nodes { model { name } } }
          jobs { totalCount } gone: predictions(filter: {modelId: [$hidden]}) { totalCount }
          model(ref: {name: $name}) { id }
          usage(range: {gte: "2026-01-01T00:00:00.000Z", lt: "2036-01-01T00:00:00.000Z"}, interval: MONTH) {
            totals { predictions } } }""",
        hidden=ids[0],
        name=HIDDEN,
    )

    assert answer == {
        "models": {"totalCount": 1, "nodes": [{"name": "shown"}]},
        "predictions": {"totalCount": 1, "nodes": [{"model": {"name": "shown"}}]},
        "jobs": {"totalCount": 0},
        "gone": {"totalCount": 0},
        "model": None,
        "usage": {"totals": {"predictions": "1"}},
    }


async def test_no_mutation_finds_anything_of_another_model(graph: Graph, caller: Caller) -> None:
    shown, ids = await stocked(graph, caller)
    narrow = await graph.colleague(caller.project_id, models=[shown])
    assert SCHEMA.mutation_type is not None

    for node_id in ids:
        for given in ({"ID": f'"{node_id}"'}, {"ModelRefInput": f'{{name: "{HIDDEN}"}}'}):
            for name, field in SCHEMA.mutation_type.fields.items():
                called = call(name, field, {**BY_TYPE, **given})
                if next(iter(given.values())) in called:
                    payload = (await graph.data(narrow, f"mutation {{ {called} {{ errors {{ code }} }} }}"))[
                        name
                    ]
                    codes = {error["code"] for error in payload["errors"]}
                    assert codes, name
                    assert codes <= {"NOT_FOUND", "INVALID_INPUT"}, name


@pytest.mark.parametrize(
    "document",
    [
        "subscription ($id: ID!) { tokens(predictionId: $id) { sequence } }",
        "subscription ($id: ID!) { predictionUpdated(id: $id) { id } }",
        "subscription ($id: ID!) { jobProgress(id: $id) { id } }",
        "subscription ($id: ID!) { jobResults(id: $id) { sequence } }",
    ],
)
async def test_no_subscription_follows_anything_of_another_model(
    graph: Graph, caller: Caller, document: str
) -> None:
    shown, ids = await stocked(graph, caller)
    narrow = await graph.colleague(caller.project_id, models=[shown])
    followed = ids[3] if "job" in document else ids[2]

    response = await graph.client.post(
        "/graphql",
        json={"query": document, "variables": {"id": followed}},
        headers={"Authorization": f"Bearer {narrow.secret}", "Accept": "text/event-stream"},
    )

    assert '"code":"NOT_FOUND"' in response.text
    assert HIDDEN not in response.text


async def made_for(graph: Graph, caller: Caller, *models: dict[str, str]) -> Any:
    asked = {"name": "narrow", "scopes": ["MODELS_READ"], "models": list(models)}
    return (await graph.data(caller, CREATE, input=asked))["createApiKey"]


async def test_a_key_is_made_for_models_by_name_or_id(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    shown, _ = await stocked(any_graph, caller)

    made = await made_for(any_graph, caller, {"name": "shown"}, {"id": global_id("Model", shown)})

    newcomer = Caller(caller.project_id, "", made["secret"])
    listed = await any_graph.data(newcomer, "{ models { nodes { name } } }")
    assert made["apiKey"]["models"] == [{"name": "shown"}]
    assert listed == {"models": {"nodes": [{"name": "shown"}]}}


async def test_a_key_for_a_model_makes_none_for_others(graph: Graph, caller: Caller) -> None:
    shown, _ = await stocked(graph, caller)
    narrow = await graph.colleague(caller.project_id, models=[shown])

    other = await made_for(graph, narrow, {"name": "shown"}, {"name": HIDDEN})
    everything = await graph.data(narrow, CREATE, input={"name": "all", "scopes": ["MODELS_READ"]})
    none = await made_for(graph, caller)

    assert other["errors"] == [{"code": "NOT_FOUND", "path": ["input", "models", "1"]}]
    assert everything["createApiKey"]["errors"] == [{"code": "INVALID_INPUT", "path": ["input", "models"]}]
    assert none["errors"] == [{"code": "INVALID_INPUT", "path": ["input", "models"]}]


async def test_a_key_can_not_predict_with_another_model(serving: Graph) -> None:
    caller = await serving.caller()
    names = await serving.data(caller, "{ models { nodes { id name } } }")
    mine = {row.name: row for row in (await models_of(serving))}
    narrow = await serving.colleague(caller.project_id, list(Scope), [mine["diabetes"].id])
    document = """mutation ($model: ModelRefInput!) { predict(input: {
      model: $model, data: {text: {prompt: {text: "Once"}}}}) { prediction { id } errors { code path } } }"""

    by_name = await serving.data(narrow, document, model={"name": "storyteller"})
    story = next(node["id"] for node in names["models"]["nodes"] if node["name"] == "storyteller")
    by_id = await serving.data(narrow, document, model={"id": story})

    for answer, member in ((by_name, "name"), (by_id, "id")):
        assert answer["predict"]["prediction"] is None
        assert answer["predict"]["errors"] == [{"code": "NOT_FOUND", "path": ["input", "model", member]}]


async def models_of(graph: Graph) -> list[Any]:
    return list({version.model.id: version.model for version in graph.services.catalog.versions()}.values())
