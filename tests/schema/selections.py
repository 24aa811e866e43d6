"""Selections and arguments made from the schema itself: for tests of what holds everywhere."""

from __future__ import annotations

from collections.abc import Mapping

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLNamedType,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    is_enum_type,
    is_input_object_type,
    is_interface_type,
    is_leaf_type,
    is_list_type,
    is_object_type,
    is_required_argument,
    is_required_input_field,
    is_union_type,
)

from schema import schema

SCHEMA: GraphQLSchema = schema._schema
NOBODY = "TW9kZWw6" + "0" * 42
"""An id of nothing."""

SCALARS = {
    "ID": f'"{NOBODY}"',
    "String": '"text"',
    "Int": "1",
    "Float": "1.5",
    "Boolean": "true",
    "JSON": "[{x: 1}]",
    "DateTime": '"2030-01-01T00:00:00.000Z"',
    "Decimal": '"1.5"',
    "BigInt": '"1"',
    "URL": '"https://example.org/"',
}
"""A value of each scalar, as it is written in a document."""

BY_TYPE = {
    "ModelVersionRefInput": '{version: "1"}',
    "DateTimeRangeInput": '{gte: "2026-01-01T00:00:00.000Z", lt: "2030-01-01T00:00:00.000Z"}',
}
"""What to give for an argument of a type, where the first value that is valid finds nothing."""

Given = Mapping[str, str]


def everything(type_name: str, depth: int, given: Given = BY_TYPE) -> str:
    """Returns a selection of all fields of a type and of what they lead to, so many levels deep."""
    return _selection(SCHEMA.type_map[type_name], depth, given)


def each_field(type_name: str, depth: int, given: Given = BY_TYPE) -> list[str]:
    """Returns, for each field of a type that leads to objects, a selection of it so many levels deep."""
    of = SCHEMA.type_map[type_name]
    assert is_object_type(of)
    found = (_field(name, field, depth, given) for name, field in of.fields.items())
    return [selected for selected in found if "{ __typename" in selected]


def call(name: str, field: GraphQLField, given: Given = BY_TYPE) -> str:
    """Returns a call of a field with what it requires; the first page of a list."""
    required = {key: argument for key, argument in field.args.items() if is_required_argument(argument)}
    arguments = [f"{key}: {_value(argument, given)}" for key, argument in required.items()]
    if "first" in field.args:
        arguments.append("first: 3")
    return f"{name}({', '.join(arguments)})" if arguments else name


def literal(of: GraphQLInputType, given: Given = BY_TYPE) -> str:
    """Returns a value of an input type, as it is written in a document: the least that is valid."""
    nullable = get_nullable_type(of)
    if is_list_type(nullable):
        return f"[{literal(nullable.of_type, given)}]"
    named = get_named_type(of)
    if named.name in given:
        return given[named.name]
    if is_enum_type(named):
        return str(next(iter(named.values)))
    if is_input_object_type(named):
        return _object(named, given)
    return SCALARS[named.name]


def _object(of: GraphQLInputObjectType, given: Given) -> str:
    if of.extensions["strawberry-definition"].is_one_of:
        name = "id" if "id" in of.fields else next(iter(of.fields))
        return f"{{{name}: {literal(of.fields[name].type, given)}}}"
    required = {name: field for name, field in of.fields.items() if is_required_input_field(field)}
    return f"{{{', '.join(f'{name}: {literal(field.type, given)}' for name, field in required.items())}}}"


def _value(argument: GraphQLArgument, given: Given) -> str:
    return literal(argument.type, given)


def _selection(of: GraphQLNamedType, depth: int, given: Given) -> str:
    if is_union_type(of):
        parts = [f"... on {member.name} {_selection(member, depth, given)}" for member in of.types]
        return f"{{ __typename {' '.join(parts)} }}"
    if is_interface_type(of):
        members = SCHEMA.get_implementations(of).objects
        parts = [f"... on {member.name} {_selection(member, depth, given)}" for member in members]
        return f"{{ __typename {' '.join(parts)} }}"
    assert is_object_type(of)
    fields = [_field(name, field, depth, given) for name, field in of.fields.items()]
    return f"{{ __typename {' '.join(filter(None, fields))} }}"


def _field(name: str, field: GraphQLField, depth: int, given: Given) -> str:
    named = get_named_type(field.type)
    # Two members of a union may have a field of the same name and of another type, so each has an alias.
    alias = f"{name}_{named.name}{'s' if is_list_type(get_nullable_type(field.type)) else ''}"
    if is_leaf_type(named):
        return f"{alias}_{'n' if field.type == named else 'v'}: {call(name, field, given)}"
    # What a connection holds is no level of its own.
    below = depth if named.name.endswith(("Connection", "Edge")) else depth - 1
    return "" if below < 0 else f"{alias}: {call(name, field, given)} {_selection(named, below, given)}"
