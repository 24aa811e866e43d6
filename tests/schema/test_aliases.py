"""Aliases by GraphQL: moving them, reading them, and what the arms used."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db.tables import ModelAliasRow, ModelRow, ModelVersionRow
from engine.usage import ledger
from engine.values import ModelRef, Scope, VersionRef, Viewer
from schema.nodes import global_id
from tests.schema.graph import Caller, Graph, model, prediction, version

SET = """mutation ($input: SetModelAliasInput!) { setModelAlias(input: $input) {
  alias { name isOwn revision targets { weight version { version } } shadow { sampleRate version { version } }
          fallbacks { version } createdAt updatedAt }
  errors { __typename code path message retryable ... on ConflictError { currentRevision } } } }"""
READ = """{ model(ref: {name: "m"}) { aliases { name isOwn revision
  targets { weight version { version } }
  history { totalCount nodes { revision targets { weight version { version } } apiKey { name } } } } } }"""
DELETE = """mutation ($input: DeleteModelAliasInput!) { deleteModelAlias(input: $input) {
  alias { name revision deletedAt } errors { code path } } }"""
START, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
RANGE = {"gte": START.isoformat(), "lt": END.isoformat()}


async def registered(graph: Graph, **columns: Any) -> tuple[ModelRow, list[ModelVersionRow]]:
    """Stores the model `m` with the versions 1, 2 and 3."""
    its_model = model("m", **columns)
    versions = [version(its_model, number) for number in (1, 2, 3)]
    await graph.add(its_model)
    await graph.add(*versions)
    await graph.services.catalog.refresh()
    return its_model, versions


def to(*targets: tuple[str, int], **more: Any) -> dict[str, Any]:
    """Returns an input that points the alias `production` at versions with weights."""
    led = [{"version": {"version": name}, "weight": weight} for name, weight in targets]
    return {"model": {"name": "m"}, "name": "production", "targets": led, **more}


async def moved(graph: Graph, caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    found = (await graph.data(caller, SET, input=asked))["setModelAlias"]
    assert found["errors"] == []
    return found["alias"]  # type: ignore[no-any-return]


async def refused(graph: Graph, caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    found = (await graph.data(caller, SET, input=asked))["setModelAlias"]
    assert found["alias"] is None
    (error,) = found["errors"]
    return error  # type: ignore[no-any-return]


async def test_an_alias_is_made_moved_and_read_with_its_history(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    await registered(any_graph)

    shadow = {"version": {"version": "3"}, "sampleRate": 0.25}
    made = await moved(
        any_graph, caller, to(("1", 90), ("2", 10), shadow=shadow, fallbacks=[{"version": "3"}])
    )
    again = await moved(any_graph, caller, to(("2", 1), expectedRevision=1))

    assert made["shadow"] == {"sampleRate": 0.25, "version": {"version": "3"}}
    assert (made["isOwn"], made["fallbacks"]) == (True, [{"version": "3"}])
    assert (again["revision"], again["shadow"], again["fallbacks"]) == (2, None, [])
    assert again["createdAt"] == made["createdAt"]
    (alias,) = (await any_graph.data(caller, READ))["model"]["aliases"]
    assert alias["targets"] == again["targets"] == [{"weight": 1, "version": {"version": "2"}}]
    assert alias["history"] == {
        "totalCount": 2,
        "nodes": [
            {"revision": 2, "targets": again["targets"], "apiKey": {"name": "key"}},
            {"revision": 1, "targets": made["targets"], "apiKey": {"name": "key"}},
        ],
    }


async def test_a_conflict_tells_the_revision_that_there_is(graph: Graph, caller: Caller) -> None:
    await registered(graph)
    await moved(graph, caller, to(("1", 1)))
    await moved(graph, caller, to(("2", 1)))

    error = await refused(graph, caller, to(("3", 1), expectedRevision=1))

    assert (error["__typename"], error["code"], error["currentRevision"]) == ("ConflictError", "CONFLICT", 2)
    assert error["path"] == ["input", "expectedRevision"]


async def test_the_same_again_changes_nothing(graph: Graph, caller: Caller) -> None:
    await registered(graph)

    first = await moved(graph, caller, to(("1", 1), expectedRevision=0))
    second = await moved(graph, caller, to(("1", 1), expectedRevision=0))

    assert second == first


async def test_what_can_not_be_is_refused_with_its_place(graph: Graph, caller: Caller) -> None:
    its_model, _ = await registered(graph)

    unknown = await refused(graph, caller, to(("9", 1)))
    foreign = to(("1", 1))
    foreign["targets"][0]["version"] = {"id": global_id("Model", its_model.id)}
    wrong_id = await refused(graph, caller, foreign)
    rate = {"version": {"version": "2"}, "sampleRate": 7.5}
    wrong_rate = await refused(graph, caller, to(("1", 1), shadow=rate))

    first = ["input", "targets", "0", "version"]
    assert (unknown["code"], unknown["path"]) == ("NOT_FOUND", [*first, "version"])
    assert (wrong_id["code"], wrong_id["path"]) == ("INVALID_INPUT", [*first, "id"])
    assert (wrong_rate["code"], wrong_rate["path"]) == ("INVALID_INPUT", ["input", "shadow", "sampleRate"])


async def test_moving_an_alias_needs_the_scope(graph: Graph) -> None:
    await registered(graph)
    reader = await graph.caller(scopes=[Scope.MODELS_READ])

    assert await graph.codes(reader, SET, input=to(("1", 1))) == ["FORBIDDEN"]


async def test_an_alias_of_a_project_is_its_own_on_a_model_of_everyone(graph: Graph) -> None:
    its_model, versions = await registered(graph)
    shared = ModelAliasRow(
        model_id=its_model.id, name="production", targets=[{"version_id": versions[0].id, "weight": 1}]
    )
    await graph.add(shared)
    ours, theirs = await graph.caller("ours"), await graph.caller("theirs")

    await moved(graph, ours, to(("2", 1)))

    found = [(await graph.data(each, READ))["model"]["aliases"] for each in (ours, theirs)]
    assert [[(alias["isOwn"], alias["targets"]) for alias in each] for each in found] == [
        [(True, [{"weight": 1, "version": {"version": "2"}}])],
        [(False, [{"weight": 1, "version": {"version": "1"}}])],
    ]


async def test_a_version_is_found_by_an_alias_as_the_viewer_gets_it(graph: Graph, caller: Caller) -> None:
    await registered(graph)
    await moved(graph, caller, to(("2", 1)))

    found = await graph.data(
        caller,
        """{ model(ref: {name: "m"}) {
          there: version(ref: {alias: "production"}) { version }
          missing: version(ref: {alias: "staging"}) { version } } }""",
    )

    assert found["model"] == {"there": {"version": "2"}, "missing": None}


def viewer_of(caller: Caller) -> Viewer:
    return Viewer(caller.project_id, caller.key_id, "key", frozenset(Scope))


USAGE = """query ($range: DateTimeRangeInput!) { model(ref: {name: "m"}) { aliases {
  targets { version { version } usage(range: $range) { predictions failed latencyP50Ms } }
  shadow { usage(range: $range) { predictions } } } usage(range: $range) { predictions } } }"""


@pytest.mark.parametrize("folded", [False, True])
async def test_an_arm_counts_what_it_answered_itself_and_neither_fallbacks_nor_shadows(
    any_graph: Graph, *, folded: bool
) -> None:
    caller = await any_graph.caller()
    _, (one, two, three) = await registered(any_graph)
    shadow = {"version": {"version": "3"}, "sampleRate": 1}
    await moved(any_graph, caller, to(("1", 1), ("2", 1), shadow=shadow))
    viewer = viewer_of(caller)
    route = any_graph.services.router.route(viewer, ModelRef(name="m"), VersionRef(alias="production"))
    alias_id = route.alias_id
    at = START + timedelta(days=3)

    def made(of: ModelVersionRow, **columns: Any) -> Any:
        return prediction(caller, of, at=at, alias_id=alias_id, **columns)

    arm = [made(one, total_ms=10.0), made(one, total_ms=10.0, status="FAILED"), made(two, total_ms=50.0)]
    others = [
        made(two, asked_version_id=one.id),
        made(three, shadow_of=arm[0].id),
        prediction(caller, one, at=at),
    ]
    async with any_graph.database.write() as connection:
        await ledger.record(connection, [*arm, *others])
    if folded:
        await ledger.Folding(any_graph.database).fold()

    found = (await any_graph.data(caller, USAGE, range=RANGE))["model"]

    first, second = found["aliases"][0]["targets"]
    assert (first["usage"]["predictions"], first["usage"]["failed"]) == ("2", "1")
    assert first["usage"]["latencyP50Ms"] == pytest.approx(10, rel=0.01)
    assert (second["usage"]["predictions"], second["usage"]["failed"]) == ("1", "0")
    assert found["aliases"][0]["shadow"]["usage"]["predictions"] == "1"
    assert found["usage"]["predictions"] == "6"


# Of the versions one only is listed: whether the others are known before an alias asks for them is a race.
WALK = """query ($first: Int!, $range: DateTimeRangeInput!) { models(first: $first) { nodes { name
  versions(first: 1) { nodes { version circuit { state } } }
  aliases { name fallbacks { version } shadow { version { version } usage(range: $range) { predictions } }
            targets { version { version } usage(range: $range) { predictions latencyP95Ms } }
            history(first: 3) { nodes { revision targets { version { version } } } } } } } }"""


async def test_the_walk_from_models_to_aliases_to_usage_costs_the_same_for_2_and_for_40(
    any_graph: Graph,
) -> None:
    caller = await any_graph.caller()
    models = [model(f"m-{number}") for number in range(40)]
    versions = [[version(each, number) for number in (1, 2, 3)] for each in models]
    aliases = [_alias(caller, each, name) for each in versions for name in ("production", "staging")]
    await any_graph.add(*models)
    await any_graph.add(*(each for some in versions for each in some))
    await any_graph.add(*aliases)

    with any_graph.statements() as for_two:
        two = await any_graph.data(caller, WALK, first=2, range=RANGE)
    with any_graph.statements() as for_forty:
        forty = await any_graph.data(caller, WALK, first=40, range=RANGE)

    assert (len(two["models"]["nodes"]), len(forty["models"]["nodes"])) == (2, 40)
    assert all(len(each["aliases"]) == 2 for each in forty["models"]["nodes"])
    assert len(for_forty) == len(for_two), "\n".join(for_forty)


def _alias(caller: Caller, versions: list[ModelVersionRow], name: str) -> ModelAliasRow:
    return ModelAliasRow(
        model_id=versions[0].model_id,
        project_id=caller.project_id,
        name=name,
        targets=[{"version_id": each.id, "weight": 1} for each in versions[:2]],
        shadow={"version_id": versions[2].id, "sample_rate": 0.5},
        fallbacks=[versions[2].id],
    )


SHADOWS = """query ($filter: PredictionFilterInput) { predictions(filter: $filter) { totalCount nodes {
  id shadow { id } shadowOf { id } askedVersion { version } modelVersion { version } alias { name } } }
  model(ref: {name: "m"}) { predictions(filter: $filter) { totalCount } } }"""


async def test_copies_are_left_out_of_lists_and_found_from_what_they_copy(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    _, versions = await registered(any_graph)
    alias = _alias(caller, versions, "production")
    made = prediction(caller, versions[0], alias_id=alias.id, asked_version_id=versions[1].id)
    copy = prediction(caller, versions[2], alias_id=alias.id, shadow_of=made.id)
    await any_graph.add(alias)
    await any_graph.add(made, copy)

    usual = await any_graph.data(caller, SHADOWS)
    copies = await any_graph.data(caller, SHADOWS, filter={"shadow": True})

    ids = [global_id("Prediction", row.id) for row in (made, copy)]
    common = {"askedVersion": {"version": "2"}, "modelVersion": {"version": "1"}}
    assert usual["predictions"]["nodes"] == [
        {"id": ids[0], "shadow": {"id": ids[1]}, "shadowOf": None, "alias": {"name": "production"}, **common}
    ]
    assert [(node["id"], node["shadowOf"]) for node in copies["predictions"]["nodes"]] == [
        (ids[1], {"id": ids[0]})
    ]
    for answer in (usual, copies):
        assert (answer["predictions"]["totalCount"], answer["model"]["predictions"]["totalCount"]) == (1, 1)


RETIRE = """mutation ($id: ID!) { retireModelVersion(input: {id: $id}) {
  modelVersion { status } errors { code path message } } }"""


@pytest.mark.parametrize(
    "pointing",
    [
        to(("2", 1)),
        to(("1", 1), fallbacks=[{"version": "2"}]),
        to(("1", 1), shadow={"version": {"version": "2"}, "sampleRate": 0.1}),
    ],
)
async def test_a_version_that_an_alias_leads_to_is_retired_when_that_has_moved(
    graph: Graph, caller: Caller, pointing: dict[str, Any]
) -> None:
    _, versions = await registered(graph, project_id=caller.project_id)
    version_id = global_id("ModelVersion", versions[1].id)
    await moved(graph, caller, pointing)

    refused = (await graph.data(caller, RETIRE, id=version_id))["retireModelVersion"]
    await moved(graph, caller, to(("1", 1)))
    retired = (await graph.data(caller, RETIRE, id=version_id))["retireModelVersion"]

    (error,) = refused["errors"]
    assert (error["code"], error["path"]) == ("CONFLICT", ["input", "id"])
    assert "'production' leads to it" in error["message"]
    assert retired == {"modelVersion": {"status": "RETIRED"}, "errors": []}


LED = """query ($range: DateTimeRangeInput!) { model(ref: {name: "m"}) { aliases { name } }
  predictions { nodes { alias { deletedAt targets { usage(range: $range) { predictions } }
    history { totalCount nodes { revision targets { weight } apiKey { name } } } } } } }"""


async def test_a_deleted_alias_is_in_no_list_and_what_came_by_it_still_leads_to_it(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    _, versions = await registered(any_graph)
    await moved(any_graph, caller, to(("1", 1)))
    route = any_graph.services.router.route(
        viewer_of(caller), ModelRef(name="m"), VersionRef(alias="production")
    )
    made = prediction(caller, versions[0], at=START + timedelta(days=3), alias_id=route.alias_id)
    await any_graph.add(made)
    async with any_graph.database.write() as connection:
        await ledger.record(connection, [made])

    asked = {"model": {"name": "m"}, "name": "production", "expectedRevision": 1}
    deleted = (await any_graph.data(caller, DELETE, input=asked))["deleteModelAlias"]
    found = await any_graph.data(caller, LED, range=RANGE)
    noted = await any_graph.data(caller, "{ auditEvents { nodes { action subject details } } }")

    assert (deleted["errors"], deleted["alias"]["revision"]) == ([], 2)
    assert found["model"]["aliases"] == []
    (alias,) = [node["alias"] for node in found["predictions"]["nodes"]]
    assert alias["deletedAt"] == deleted["alias"]["deletedAt"] is not None
    assert alias["targets"] == [{"usage": {"predictions": "1"}}]
    assert alias["history"] == {
        "totalCount": 2,
        "nodes": [
            {"revision": 2, "targets": [], "apiKey": {"name": "key"}},
            {"revision": 1, "targets": [{"weight": 1}], "apiKey": {"name": "key"}},
        ],
    }
    assert noted["auditEvents"]["nodes"][0] == {
        "action": "model_alias.deleted",
        "subject": "m/production",
        "details": {"revision": 2},
    }


async def test_deleting_an_alias_needs_the_scope_and_that_it_is_there(graph: Graph, caller: Caller) -> None:
    await registered(graph)
    reader = await graph.caller("theirs", scopes=[Scope.MODELS_READ])
    asked = {"model": {"name": "m"}, "name": "production"}

    assert await graph.codes(reader, DELETE, input=asked) == ["FORBIDDEN"]
    refused = (await graph.data(caller, DELETE, input=asked))["deleteModelAlias"]
    assert refused == {"alias": None, "errors": [{"code": "NOT_FOUND", "path": ["input", "name"]}]}


async def test_a_version_is_retired_once_the_alias_that_led_to_it_is_deleted(
    graph: Graph, caller: Caller
) -> None:
    _, versions = await registered(graph, project_id=caller.project_id)
    await moved(graph, caller, to(("2", 1)))

    await graph.data(caller, DELETE, input={"model": {"name": "m"}, "name": "production"})
    retired = await graph.data(caller, RETIRE, id=global_id("ModelVersion", versions[1].id))

    assert retired["retireModelVersion"] == {"modelVersion": {"status": "RETIRED"}, "errors": []}
