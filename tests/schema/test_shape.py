"""Guards of the schema's shape: every part is described, and every root field says who may use it."""

from collections.abc import Iterator

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    parse,
    validate_schema,
)
from graphql.utilities import build_ast_schema
from strawberry.types.base import StrawberryObjectDefinition

from engine.values import Scope
from schema import PUBLIC_FIELDS, schema
from schema.access import ANYONE, PUBLIC

SDL = build_ast_schema(parse(schema.as_str()))
TYPES = [each for name, each in SDL.type_map.items() if not name.startswith("__")]
STANDARD = {"Boolean", "Float", "ID", "Int", "String"}
ROOTS = ["Query", "Mutation", "Subscription"]


def parts(named: GraphQLNamedType) -> Iterator[tuple[str, str | None]]:
    """Yields every part of a type by its coordinate, with its description."""
    yield named.name, named.description
    if isinstance(named, GraphQLEnumType):
        for name, value in named.values.items():
            yield f"{named.name}.{name}", value.description
    if isinstance(named, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
        for name, field in named.fields.items():
            yield f"{named.name}.{name}", field.description
            for argument, definition in getattr(field, "args", {}).items():
                yield f"{named.name}.{name}({argument}:)", definition.description


def test_the_schema_is_valid() -> None:
    assert validate_schema(SDL) == []


def test_every_type_field_and_argument_is_described() -> None:
    described = {place: text for named in TYPES if named.name not in STANDARD for place, text in parts(named)}
    enums = {named.name for named in TYPES if isinstance(named, GraphQLEnumType)}

    bare = [place for place, text in described.items() if not text and place.split(".")[0] not in enums]

    assert bare == []
    assert [name for name in enums if not described[name]] == []


WORDS = {ANYONE, PUBLIC, *Scope}


@pytest.mark.parametrize("root", ROOTS)
def test_every_root_field_says_which_scope_it_needs(root: str) -> None:
    definition = schema.schema_converter.type_map[root].definition
    assert isinstance(definition, StrawberryObjectDefinition)

    needed = {field.name: field.metadata.get("scope") for field in definition.fields}

    assert needed
    assert [name for name, scopes in needed.items() if not is_said(scopes)] == []


def is_said(needed: object) -> bool:
    """Tells whether what a field needs is a scope, or any one of some."""
    return bool(needed) and needed <= set(Scope) if isinstance(needed, frozenset) else needed in WORDS


def test_no_mutation_is_for_anyone() -> None:
    definition = schema.schema_converter.type_map["Mutation"].definition
    assert isinstance(definition, StrawberryObjectDefinition)

    assert [field.name for field in definition.fields if field.metadata["scope"] == ANYONE] == []


def test_nothing_but_the_way_to_a_session_is_public() -> None:
    definitions = [schema.schema_converter.type_map[root].definition for root in ROOTS]
    fields = [
        field.name
        for definition in definitions
        if isinstance(definition, StrawberryObjectDefinition)
        for field in definition.fields
        if field.metadata["scope"] == PUBLIC
    ]

    assert sorted(fields) == ["login", "logout", "refresh_session"]
    assert frozenset({"login", "logout", "refreshSession"}) == PUBLIC_FIELDS


def test_every_mutation_takes_at_most_one_input_and_gives_a_payload_with_errors() -> None:
    mutation = SDL.mutation_type
    assert mutation is not None

    for name, field in mutation.fields.items():
        payload = SDL.type_map[str(field.type).rstrip("!")]
        assert isinstance(payload, GraphQLObjectType)
        arguments = {argument: str(definition.type) for argument, definition in field.args.items()}
        assert arguments in ({}, {"input": f"{name[0].upper()}{name[1:]}Input!"}), name
        assert str(payload.fields["errors"].type) == "[UserError!]!"
