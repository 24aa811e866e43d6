"""How the schema has to look, so that every client can guess what it has not read.

The rules are those of graphql-eslint's `schema-recommended` and `relay` sets, as far as we follow them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_introspection_type,
    is_leaf_type,
    is_specified_scalar_type,
)

from schema.sdl.changes import removal_date

Composite = GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType
Member = GraphQLField | GraphQLInputField | GraphQLArgument

PASCAL = re.compile(r"([A-Z][a-z0-9]*)+")
CAMEL = re.compile(r"[a-z][a-zA-Z0-9]*")
UPPER = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
WHAT_IT_IS = ("Enum", "Type", "Union", "Interface")
PAGE_INFO = {
    "hasNextPage": "Boolean!",
    "hasPreviousPage": "Boolean!",
    "startCursor": "String",
    "endCursor": "String",
}
PAGE = {"first": "Int", "after": "String", "last": "Int", "before": "String"}


def lints(sdl: str) -> list[str]:
    """Returns a sentence for each place of a schema that breaks a rule."""
    schema = build_schema(sdl)
    return sorted(f"{place} {problem}." for rule in RULES for place, problem in rule(schema))


Found = Iterator[tuple[str, str]]


def described(schema: GraphQLSchema) -> Found:
    """Everything is described, but for the values of an enum, which its own description may cover."""
    for each in _types(schema):
        if not each.description:
            yield each.name, "has no description"
    for place, member in _members(schema):
        if not member.description:
            yield place, "has no description"


def named(schema: GraphQLSchema) -> Found:
    """Types are PascalCase and say no kind, fields and arguments camelCase, values of enums UPPER_CASE."""
    for each in _types(schema):
        if not PASCAL.fullmatch(each.name) or each.name.endswith(WHAT_IT_IS):
            yield each.name, "is no name for a type: PascalCase, without the word for its kind"
        for value in each.values if isinstance(each, GraphQLEnumType) else ():
            if not UPPER.fullmatch(value):
                yield f"{each.name}.{value}", "is not UPPER_CASE"
    for place, _ in _members(schema):
        if not CAMEL.fullmatch(place.rpartition(".")[2]):
            yield place, "is not camelCase"


def without_repetition(schema: GraphQLSchema) -> Found:
    """A field repeats neither its type's name nor that it gets something."""
    for each in _types(schema):
        for name in each.fields if isinstance(each, Composite) else ():
            if re.match(f"{each.name}[A-Z]", name[:1].upper() + name[1:]) or re.match("get[A-Z]", name):
                yield f"{each.name}.{name}", "repeats the name of its type, or begins with `get`"


def inputs(schema: GraphQLSchema) -> Found:
    """Inputs, and nothing else, end with `Input`; payloads are objects."""
    for each in _types(schema):
        if isinstance(each, GraphQLInputObjectType) != each.name.endswith("Input"):
            yield each.name, "must end with `Input` if it is one, and only then"


def ids(schema: GraphQLSchema) -> Found:
    """An `id` is an ID, and never null."""
    for each in _types(schema):
        fields = each.fields if isinstance(each, GraphQLObjectType | GraphQLInterfaceType) else {}
        if "id" in fields and str(fields["id"].type) != "ID!":
            yield f"{each.name}.id", "is not of the type ID!"


def mutations(schema: GraphQLSchema) -> Found:
    """`verbNoun(input: VerbNounInput!): VerbNounPayload!`, and the payload tells what was refused."""
    for name, field in schema.mutation_type.fields.items() if schema.mutation_type else ():
        stem = name[0].upper() + name[1:]
        payload = get_named_type(field.type)
        if {key: str(argument.type) for key, argument in field.args.items()} not in (
            {},
            {"input": f"{stem}Input!"},
        ):
            yield f"Mutation.{name}", f"takes something else than `input: {stem}Input!`"
        if str(field.type) != f"{stem}Payload!" or not isinstance(payload, GraphQLObjectType):
            yield f"Mutation.{name}", f"gives something else than {stem}Payload!"
        elif "errors" not in payload.fields or str(payload.fields["errors"].type) != "[UserError!]!":
            yield payload.name, "has no `errors: [UserError!]!`"


def roots(schema: GraphQLSchema) -> Found:
    """A field of the query root may be null alone, so that one that fails leaves the others."""
    for name, field in schema.query_type.fields.items() if schema.query_type else ():
        if isinstance(field.type, GraphQLNonNull) and not str(field.type).startswith("["):
            yield f"Query.{name}", "can not be null"
        if is_leaf_type(get_named_type(field.type)):
            yield f"Query.{name}", "is a scalar, which nothing can be added to"


def connections(schema: GraphQLSchema) -> Found:
    """Lists are Relay's: https://relay.dev/graphql/connections.htm."""
    for each in _types(schema):
        if not isinstance(each, GraphQLObjectType):
            continue
        types = {name: str(field.type) for name, field in each.fields.items()}
        if each.name.endswith("Connection"):
            stem = each.name.removesuffix("Connection")
            needed = {"edges": f"[{stem}Edge!]!", "nodes": f"[{stem}!]!", "pageInfo": "PageInfo!"}
            if needed.items() - types.items():
                yield each.name, f"has not {needed}"
        if each.name.endswith("Edge") and not {("cursor", "String!"), ("node", f"{each.name[:-4]}!")} <= set(
            types.items()
        ):
            yield each.name, "has no `cursor: String!` and `node`"
        if each.name == "PageInfo" and types != PAGE_INFO:
            yield each.name, "is not Relay's"


def pages(schema: GraphQLSchema) -> Found:
    """Every field that gives a connection takes `first` and `after`, `last` and `before`."""
    for each in _types(schema):
        for name, field in each.fields.items() if isinstance(each, GraphQLObjectType) else ():
            arguments = {key: str(argument.type) for key, argument in field.args.items()}
            if get_named_type(field.type).name.endswith("Connection") and PAGE.items() - arguments.items():
                yield f"{each.name}.{name}", "can not be paged both ways"


def deprecations(schema: GraphQLSchema) -> Found:
    """Who deprecates something says when it goes: `Removal on 2027-05-20 UTC.`."""
    values = [
        (f"{each.name}.{name}", value)
        for each in _types(schema)
        if isinstance(each, GraphQLEnumType)
        for name, value in each.values.items()
    ]
    for place, member in [*values, *_members(schema)]:
        reason = member.deprecation_reason
        if reason is not None and removal_date(reason) is None:
            yield place, "is deprecated without `Removal on YYYY-MM-DD UTC.` at the end of the reason"


RULES: tuple[Callable[[GraphQLSchema], Found], ...] = (
    described,
    named,
    without_repetition,
    inputs,
    ids,
    mutations,
    roots,
    connections,
    pages,
    deprecations,
)


def _types(schema: GraphQLSchema) -> Iterator[GraphQLNamedType]:
    for each in schema.type_map.values():
        if not is_introspection_type(each) and not is_specified_scalar_type(each):
            yield each


def _members(schema: GraphQLSchema) -> Iterator[tuple[str, Member]]:
    """Yields every field, input field and argument with its coordinate."""
    for each in _types(schema):
        for name, field in each.fields.items() if isinstance(each, Composite) else ():
            yield f"{each.name}.{name}", field
            for argument, definition in getattr(field, "args", {}).items():
                yield f"{each.name}.{name}.{argument}", definition
