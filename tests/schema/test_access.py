"""Who may see what: by the scopes of a key, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from strawberry.types.base import StrawberryObjectDefinition

from engine.values import Scope
from schema import PUBLIC_FIELDS, schema
from tests.schema.graph import Caller, Graph, model, prediction, price, version
from tests.schema.selections import SCHEMA, call, each_field, everything

READING = [Scope.MODELS_READ, Scope.PREDICTIONS_READ, Scope.KEYS_ADMIN]
SEEN = {
    ("Query", "models"),
    ("Query", "predictions"),
    ("Model", "versions"),
    ("Model", "predictions"),
    ("ModelVersion", "price"),
    ("ModelVersion", "model"),
    ("Prediction", "input"),
    ("Prediction", "output"),
    ("Prediction", "explanation"),
    ("Prediction", "model"),
    ("Prediction", "apiKey"),
    ("Project", "apiKeys"),
}
"""Guarded fields that the walk must have come by, or it would prove nothing."""


def guarded_fields(needed: Scope) -> set[tuple[str, str]]:
    """Returns the fields of objects and of the query root that need a scope."""
    found = set()
    for name, kind in schema.schema_converter.type_map.items():
        definition = kind.definition
        if isinstance(definition, StrawberryObjectDefinition) and name not in ("Mutation", "Subscription"):
            for field in definition.fields:
                if field.metadata.get("scope") == needed:
                    found.add((name, schema.config.name_converter.get_graphql_name(field)))
    return found


def fields_in(value: Any, type_name: str = "") -> Iterator[tuple[tuple[str, str], Any]]:
    """Yields every field of an answer by its type and name, with what it holds."""
    if isinstance(value, list):
        for each in value:
            yield from fields_in(each)
    elif isinstance(value, dict):
        type_name = value.get("__typename", type_name)
        for alias, held in value.items():
            yield (type_name, alias.split("_")[0]), held
            yield from fields_in(held)


async def populated(graph: Graph, caller: Caller) -> None:
    its_model = model("shown")
    its_version = version(its_model)
    its_model.default_version_id = its_version.id
    await graph.add(its_model)
    await graph.add(its_version)
    await graph.add(price(its_version), prediction(caller, its_version))


WALK = [
    *(f"query {{ {field} }}" for field in each_field("Query", 2)),
    f"query {{ models {{ nodes {{ versions {{ nodes {everything('ModelVersion', 1)} }} }} }} }}",
]
"""Every root field with everything it leads to, and versions, to which it is far."""


async def walk(graph: Graph, caller: Caller) -> tuple[list[tuple[tuple[str, str], Any]], set[str]]:
    """Returns every field that the walk came by with what it held, and the codes of all errors."""
    answers = [await graph.answer(caller, document) for document in WALK]
    found = [field for answer in answers for field in fields_in(answer["data"], "Query")]
    return found, {error["extensions"]["code"] for answer in answers for error in answer.get("errors", [])}


async def test_the_walk_comes_by_the_fields_that_need_a_scope(graph: Graph, caller: Caller) -> None:
    await populated(graph, caller)

    found, codes = await walk(graph, caller)

    assert SEEN - {field for field, held in found if held is not None} == set()
    assert codes == {"BAD_USER_INPUT"}  # the id that the walk gives is one of nothing


@pytest.mark.parametrize("missing", READING)
async def test_without_its_scope_a_field_is_refused_and_the_others_are_answered(
    graph: Graph, caller: Caller, missing: Scope
) -> None:
    await populated(graph, caller)
    narrow = await graph.colleague(caller.project_id, [scope for scope in Scope if scope != missing])
    refused = guarded_fields(missing)

    found, codes = await walk(graph, narrow)

    assert [field for field, held in found if field in refused and held is not None] == []
    assert {field for field, held in found if field in refused} != set()
    assert "FORBIDDEN" in codes
    assert {field for field, held in found if held is not None} & SEEN


@pytest.mark.parametrize(
    "name", sorted({*SCHEMA.mutation_type.fields} - PUBLIC_FIELDS) if SCHEMA.mutation_type else []
)
async def test_without_its_scope_a_mutation_is_refused(graph: Graph, caller: Caller, name: str) -> None:
    assert SCHEMA.mutation_type is not None
    definition = schema.schema_converter.type_map["Mutation"].definition
    assert isinstance(definition, StrawberryObjectDefinition)
    needed = {
        schema.config.name_converter.get_graphql_name(field): field.metadata["scope"]
        for field in definition.fields
    }[name]
    enough = needed if isinstance(needed, frozenset) else {needed}
    narrow = await graph.colleague(caller.project_id, sorted(set(Scope) - enough))

    document = f"mutation {{ {call(name, SCHEMA.mutation_type.fields[name])} {{ __typename }} }}"

    assert await graph.codes(narrow, document) == ["FORBIDDEN"]


@pytest.mark.parametrize("scope", [Scope.JOBS_WRITE, Scope.MODELS_WRITE])
async def test_who_may_write_jobs_or_models_may_upload_a_file(
    graph: Graph, caller: Caller, scope: Scope
) -> None:
    narrow = await graph.colleague(caller.project_id, [scope])
    asked = 'mutation { createUpload(input: {filename: "m.onnx", byteSize: 1}) { errors { code } } }'

    assert await graph.data(narrow, asked) == {"createUpload": {"errors": []}}


async def test_who_has_no_key_is_refused_whatever_is_asked(graph: Graph) -> None:
    response = await graph.client.post("/graphql", json={"query": "{ viewer { id } }"})

    assert response.status_code == 401
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_everybody_who_is_known_may_ask_who_it_is(graph: Graph, caller: Caller) -> None:
    narrow = await graph.colleague(caller.project_id, [Scope.JOBS_READ])

    answer = await graph.data(narrow, "{ viewer { displayName scopes project { name } apiKey { name } } }")

    assert answer["viewer"] == {
        "displayName": "key",
        "scopes": ["JOBS_READ"],
        "project": {"name": "ours"},
        "apiKey": {"name": "key"},
    }
