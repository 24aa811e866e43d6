"""Walks through the whole graph: what it costs, and what it lets out."""

from __future__ import annotations

from typing import Any

from graphql import GraphQLField
from sqlalchemy import select

from db.tables.keys import api_keys
from db.tables.models import models
from db.tables.predictions import predictions
from tests.schema.graph import Caller, Graph, model, prediction, price, version
from tests.schema.selections import BY_TYPE, SCHEMA, call, each_field
from tests.schema.tenants import shared_model, tenant

WALK = """
query ($first: Int) {
  models(first: $first) { nodes { name versions(first: 5) { nodes { version predictions(first: 5) { nodes {
    id model { name } modelVersion { version } apiKey { name } explanation { baseline }
    input { ... on TabularInputData { records } }
    output { ... on TabularOutput { results { value } } }
  } totalCount } } totalCount } } }
}
"""


async def populated(graph: Graph, caller: Caller, count: int) -> None:
    """Stores models with two versions each, and three predictions of each version."""
    found = [model(f"model-{number:02}") for number in range(count)]
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


MARK = "hidden-from-you"


async def hidden(graph: Graph) -> tuple[Caller, list[str]]:
    """Stores rows of every kind for a project, marked in every text; returns its key, and their ids."""
    theirs = await tenant(graph, MARK, await shared_model(graph))
    return theirs.caller, list(theirs.ids.values())


DOCUMENTS = [
    f"query ($id: ID!) {{ always: node(id: $id) {{ id }} {field} }}"
    for field in each_field("Query", 2, {**BY_TYPE, "ID": "$id", "ModelVersionRefInput": "{id: $id}"})
]
"""Queries of every root field with everything it leads to, asked with an id wherever one goes."""


async def test_the_walk_does_come_by_what_is_marked(graph: Graph) -> None:
    theirs, ids = await hidden(graph)

    answers = [await graph.answer(theirs, document, id=each) for each in ids for document in DOCUMENTS]

    told = str([answer["data"] for answer in answers])
    assert told.count(MARK) > 100
    assert [node_id for node_id in ids if node_id not in told] == []


async def test_nothing_of_a_project_is_told_to_another_by_any_field(graph: Graph) -> None:
    _, ids = await hidden(graph)
    caller = await graph.caller()

    for node_id in ids:
        for document in DOCUMENTS:
            answer = await graph.answer(caller, document, id=node_id)

            assert MARK not in str(answer)
            assert [each for each in ids if each in str(answer["data"])] == []
            assert {error["extensions"]["code"] for error in answer.get("errors", [])} <= {"BAD_USER_INPUT"}


async def test_what_another_project_did_is_not_counted(any_graph: Graph) -> None:
    await hidden(any_graph)
    caller = await any_graph.caller()

    answer = await any_graph.data(
        caller,
        """{ models { totalCount nodes { name predictions { totalCount } versions { nodes {
             predictions { totalCount } } } } } predictions { totalCount }
             viewer { project { apiKeys { totalCount } } } }""",
    )

    nothing = {"predictions": {"totalCount": 0}}
    assert answer == {
        "models": {
            "totalCount": 1,
            "nodes": [{"name": "shared", **nothing, "versions": {"nodes": [nothing]}}],
        },
        **nothing,
        "viewer": {"project": {"apiKeys": {"totalCount": 1}}},
    }


async def test_no_mutation_finds_or_changes_anything_of_another_project(any_graph: Graph) -> None:
    theirs, ids = await hidden(any_graph)
    caller = await any_graph.caller()
    assert SCHEMA.mutation_type is not None
    before = await rows_of(any_graph, theirs)

    for node_id in ids:
        given = {**BY_TYPE, "ID": f'"{node_id}"', "String": f'"{MARK}-model"'}
        for name, field in SCHEMA.mutation_type.fields.items():
            if takes_an_id(field):
                document = f"mutation {{ {call(name, field, given)} {{ errors {{ code }} }} }}"
                errors = (await any_graph.data(caller, document))[name]["errors"]
                assert errors, name
                assert {error["code"] for error in errors} <= {"NOT_FOUND", "INVALID_INPUT"}, name

    assert await rows_of(any_graph, theirs) == before


def takes_an_id(field: GraphQLField) -> bool:
    """Tells whether a mutation is called with an id."""
    return "<id>" in call("probe", field, {**BY_TYPE, "ID": '"<id>"'})


async def rows_of(graph: Graph, caller: Caller) -> list[Any]:
    """Reads the rows that a project has."""
    tables = [api_keys, models, predictions]
    async with graph.database.read() as connection:
        return [
            (await connection.execute(select(table).where(table.c.project_id == caller.project_id))).all()
            for table in tables
        ]
