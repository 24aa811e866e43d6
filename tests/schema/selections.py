"""Selections of everything a type has, made from the schema itself: for tests of what holds everywhere."""

from __future__ import annotations

from graphql import (
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    get_named_type,
    is_interface_type,
    is_leaf_type,
    is_object_type,
    is_required_argument,
    is_union_type,
)

from schema import schema

SCHEMA: GraphQLSchema = schema._schema

REQUIRED = {
    "ModelVersionRefInput!": '{version: "1"}',
    "DateTimeRangeInput!": '{gte: "2026-01-01T00:00:00.000Z", lt: "2030-01-01T00:00:00.000Z"}',
}
"""What to give for an argument that has no default, by its type."""


def everything(type_name: str, depth: int, *, without: frozenset[str] = frozenset()) -> str:
    """Returns a selection of all fields of a type and of what they lead to, so many levels deep.

    `without` are fields (`Type.field`) to leave out.
    """
    return _selection(SCHEMA.type_map[type_name], depth, without)


def each_field(type_name: str, depth: int) -> list[str]:
    """Returns, for each field of a type that leads to objects, a selection of it so many levels deep."""
    of = SCHEMA.type_map[type_name]
    assert is_object_type(of)
    found = (_field(name, field, depth, frozenset()) for name, field in of.fields.items())
    return [selected for selected in found if "{ __typename" in selected]


def _selection(of: GraphQLNamedType, depth: int, without: frozenset[str]) -> str:
    if is_union_type(of):
        parts = [f"... on {member.name} {_selection(member, depth, without)}" for member in of.types]
        return f"{{ __typename {' '.join(parts)} }}"
    assert is_object_type(of) or is_interface_type(of)
    fields = [
        _field(name, field, depth, without)
        for name, field in of.fields.items()
        if f"{of.name}.{name}" not in without
    ]
    return f"{{ __typename {' '.join(filter(None, fields))} }}"


def _field(name: str, field: GraphQLField, depth: int, without: frozenset[str]) -> str:
    required = {key: argument for key, argument in field.args.items() if is_required_argument(argument)}
    given = [f"{key}: {REQUIRED[str(argument.type)]}" for key, argument in required.items()]
    named = get_named_type(field.type)
    if is_leaf_type(named):
        return _called(name, given)
    # What a connection holds is no level of its own.
    below = depth if named.name.endswith(("Connection", "Edge")) else depth - 1
    if below < 0:
        return ""
    if "first" in field.args:
        given.append("first: 3")
    # Names differ by their type, for two members of a union may have a field of the same name.
    alias = f"{name}_{named.name}: "
    return f"{alias}{_called(name, given)} {_selection(named, below, without)}"


def _called(name: str, given: list[str]) -> str:
    return f"{name}({', '.join(given)})" if given else name
