"""What a project can do with models of its own, and what it can not do with those of others."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from db.session import Database
from engine.keys import Keys
from engine.values import Scope
from schema.nodes import global_id, row_id
from tests.schema.graph import Caller, Graph, model, opened_graph, prediction, version
from tests.schema.registering import (
    KEY,
    create,
    ended_loading,
    openai,
    predict,
    priced,
    refused,
    register,
    run,
)


async def test_a_model_is_registered_changed_and_deleted_and_its_history_stays(open_graph: Graph) -> None:
    graph, caller = open_graph, await open_graph.caller()
    made = await register(graph, caller, description="New.", tags=["a"])
    row = version(model("x", id=row_id(made["id"], "Model")), 7, status="RETIRED")
    made_by_it = prediction(caller, row)
    await graph.add(row)
    await graph.add(made_by_it)

    ref = {"model": {"name": "mine"}}
    changed = await run(graph, caller, "updateModel", **ref, displayName="Ours", description=None, tags=[])
    deleted = await run(graph, caller, "deleteModel", **ref)

    assert (made["name"], made["task"], made["isOwn"]) == ("mine", "TEXT_GENERATION", True)
    assert (made["status"], made["description"], made["tags"]) == ("PENDING", "New.", ["a"])
    assert changed["model"] == made | {"displayName": "Ours", "description": None, "tags": []}
    assert deleted["model"]["deletedAt"] is not None
    assert deleted["model"]["status"] == "RETIRED"
    left = await graph.data(
        caller,
        """query ($id: ID!, $of: ID!) { models { totalCount } model(ref: {name: "mine"}) { id }
          prediction: node(id: $id) { ... on Prediction {
            model { name deletedAt } modelVersion { version } } }
          node(id: $of) { ... on Model { name predictions { totalCount } } } }""",
        id=global_id("Prediction", made_by_it.id),
        of=made["id"],
    )
    assert left["models"]["totalCount"] == 0
    assert left["model"] is None
    assert left["prediction"]["model"] == {"name": "mine", "deletedAt": deleted["model"]["deletedAt"]}
    assert left["prediction"]["modelVersion"] == {"version": "7"}
    assert left["node"] == {"name": "mine", "predictions": {"totalCount": 1}}


async def test_the_name_of_a_deleted_model_brings_it_back_for_the_same_task_only(open_graph: Graph) -> None:
    graph, caller = open_graph, await open_graph.caller()
    made = await register(graph, caller)
    await run(graph, caller, "deleteModel", model={"name": "mine"})

    other = {"name": "mine", "displayName": "Mine", "task": "EMBEDDING"}
    error = await refused(graph, caller, "registerModel", **other)
    again = await register(graph, caller, displayName="Back")

    assert (error["code"], error["path"]) == ("CONFLICT", ["input", "name"])
    assert (again["id"], again["displayName"], again["deletedAt"]) == (made["id"], "Back", None)
    assert again["status"] == "PENDING"


async def test_a_name_that_the_project_has_is_refused(open_graph: Graph) -> None:
    graph, caller = open_graph, await open_graph.caller()
    await register(graph, caller)

    error = await refused(graph, caller, "registerModel", name="mine", displayName="x", task="TENSOR")

    assert (error["code"], error["path"]) == ("CONFLICT", ["input", "name"])


@pytest.mark.parametrize(
    ("told", "path", "constraint"),
    [
        ({"name": "No!"}, "name", "pattern"),
        ({"displayName": ""}, "displayName", "minLength: 1"),
        ({"displayName": "\0"}, "displayName", "value_error"),
        ({"description": "x" * 10_001}, "description", "maxLength: 10000"),
        ({"tags": [""]}, "tags.0", "minLength: 1"),
        ({"tags": ["x"] * 51}, "tags", "maxLength: 50"),
    ],
)
async def test_what_is_wrong_with_a_model_is_told_at_its_place(
    open_graph: Graph, told: Any, path: str, constraint: str
) -> None:
    caller = await open_graph.caller()
    given = {"name": "mine", "displayName": "Mine", "task": "TENSOR", **told}

    error = await refused(open_graph, caller, "registerModel", **given)

    assert error["code"] == "INVALID_INPUT"
    assert error["path"] == ["input", *path.split(".")]
    assert error["constraint"].startswith(constraint)


async def test_models_of_the_operator_and_of_others_are_not_the_projects_to_change(open_graph: Graph) -> None:
    graph, caller, stranger = open_graph, await open_graph.caller(), await open_graph.caller("theirs")
    shared = model("shared")
    its_version = version(shared)
    await graph.add(shared)
    await graph.add(its_version)
    theirs = await register(graph, stranger)
    of_shared = {"id": global_id("ModelVersion", its_version.id)}

    for operation in ("updateModel", "deleteModel"):
        error = await refused(graph, caller, operation, model={"name": "shared"})
        assert (error["code"], error["path"]) == ("CONFLICT", ["input", "model", "name"])
        error = await refused(graph, caller, operation, model={"id": theirs["id"]})
        assert (error["code"], error["path"]) == ("NOT_FOUND", ["input", "model", "id"])
    new = {"version": "2", "backend": openai("http://127.0.0.1:1/v1")}
    for ref, code in (({"name": "shared"}, "CONFLICT"), ({"id": theirs["id"]}, "NOT_FOUND")):
        error = await refused(graph, caller, "createModelVersion", model=ref, **new)
        assert error["code"] == code
    assert (await refused(graph, caller, "retireModelVersion", **of_shared))["code"] == "CONFLICT"
    price = {"price": {"perPrediction": "1"}}
    assert (await refused(graph, caller, "setModelVersionPrice", **of_shared, **price))["code"] == "CONFLICT"
    unknown = {"id": global_id("ModelVersion", "0" * 32)}
    assert (await refused(graph, caller, "retireModelVersion", **unknown))["code"] == "NOT_FOUND"


async def test_another_process_serves_what_was_registered_here(
    open_graph: Graph, any_database: Database, server: str, tmp_path: Path
) -> None:
    caller = await open_graph.caller()
    url = any_database.url.render_as_string(hide_password=False)
    settings = {"model_servers": [f"{server}={KEY}"], "data_directory": tmp_path}
    async with opened_graph(any_database, url, **settings) as other:
        await register(open_graph, caller)
        made = await create(open_graph, caller, openai(server))
        await ended_loading(open_graph, caller, made["id"])
        async with asyncio.timeout(30):
            while (prediction := (await predict(other, caller))["prediction"]) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.25)  # the other looks every two seconds; predictions are counted

    assert prediction["status"] == "SUCCEEDED"


async def test_who_may_only_read_models_changes_none(open_graph: Graph) -> None:
    caller = await open_graph.caller("readers", [Scope.MODELS_READ])
    document = """mutation { registerModel(input: {name: "x", displayName: "x", task: TENSOR}) {
      model { id } } }"""

    assert await open_graph.codes(caller, document) == ["FORBIDDEN"]


async def test_a_key_for_certain_models_changes_those_and_no_others(open_graph: Graph, server: str) -> None:
    graph, caller = open_graph, await open_graph.caller()
    hidden, seen = await register(graph, caller), await register(graph, caller, "seen")
    made = await create(graph, caller, openai(server))
    key, secret = await Keys(graph.database).create(
        caller.project_id, "narrow", list(Scope), models=[row_id(seen["id"], "Model")]
    )
    narrow = Caller(caller.project_id, key.id, secret)

    added = await refused(graph, narrow, "registerModel", name="new", displayName="x", task="TENSOR")
    deleted = await refused(graph, narrow, "deleteModel", model={"id": hidden["id"]})
    retired = await refused(graph, narrow, "retireModelVersion", id=made["id"])
    changed = await run(graph, narrow, "updateModel", model={"name": "seen"}, tags=["a"])

    assert [each["code"] for each in (added, deleted, retired)] == ["CONFLICT", "NOT_FOUND", "NOT_FOUND"]
    assert changed["model"]["tags"] == ["a"]


async def test_who_changed_what_is_noted(open_graph: Graph, server: str) -> None:
    graph, caller = open_graph, await open_graph.caller()
    await register(graph, caller)
    made = await create(graph, caller, openai(server))
    await run(graph, caller, "setModelVersionPrice", id=made["id"], price=priced("1"))
    await run(graph, caller, "retireModelVersion", id=made["id"])
    await run(graph, caller, "updateModel", model={"name": "mine"}, displayName="Ours")
    await run(graph, caller, "deleteModel", model={"name": "mine"})

    found = await graph.data(caller, "{ auditEvents { nodes { action subject actor } } }")

    assert [(each["action"], each["subject"]) for each in found["auditEvents"]["nodes"]][:6] == [
        ("model.deleted", "mine"),
        ("model.updated", "mine"),
        ("model_version.retired", "mine/1"),
        ("model_version.price_set", "mine/1"),
        ("model_version.created", "mine/1"),
        ("model.registered", "mine"),
    ]
    assert {each["actor"] for each in found["auditEvents"]["nodes"]} >= {"key key"}
