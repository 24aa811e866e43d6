"""Arguments of a field: as graphql-core coerces them, but not once for each object where once is enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLField,
    GraphQLInputType,
    ListValueNode,
    ObjectValueNode,
    Undefined,
    ValueNode,
    VariableNode,
    get_argument_values,
    get_nullable_type,
    is_enum_type,
    is_required_argument,
    is_scalar_type,
    is_specified_scalar_type,
)
from graphql.execution.values import VariableValues

from executor.plan import Arguments, Conversion

if TYPE_CHECKING:
    from executor.operation import Operation

NO_VARIABLES = VariableValues({}, {})


def plan_arguments(
    definition: GraphQLField, node: FieldNode, convert: Conversion | None, hide_suggestions: bool
) -> Arguments | None:
    """Returns how to find the arguments of a field, None if it has none.

    With `convert`, which must keep immutable values immutable, the values are Python keyword arguments of
    the resolver; without, those of the field's `resolve`.
    """
    if not definition.args:
        return None

    by_variables = _by_variables(definition, node)

    def read(operation: Operation) -> dict[str, Any]:
        values = _found_in(by_variables, operation.variable_values.coerced)
        if values is None:
            values = get_argument_values(
                definition, node, operation.variable_values, None, operation.hide_suggestions
            )
        return convert(values) if convert else values

    reusable = all(is_immutable(argument.type) for argument in definition.args.values())
    arguments = Arguments(read, reusable)
    if reusable and not any(_variables(argument.value) for argument in node.arguments or ()):
        arguments.constant = _constant(definition, node, convert, hide_suggestions)
    return arguments


def is_immutable(type_: GraphQLInputType) -> bool:
    """Says whether values of the type may be shared: built-in scalars and enums."""
    inner = get_nullable_type(type_)
    return is_enum_type(inner) or (is_scalar_type(inner) and is_specified_scalar_type(inner))


def _by_variables(definition: GraphQLField, node: FieldNode) -> list[tuple[str, str]] | None:
    """Returns the arguments and the variables that they are, where each is one, or is left out for nothing.

    A variable was coerced when the request began, for a type that fits: nothing is left to be done with it.
    """
    given = {argument.name.value: argument.value for argument in node.arguments or ()}
    found = []
    for name, argument in definition.args.items():
        value = given.get(name)
        if isinstance(value, VariableNode):
            found.append((argument.out_name or name, value.name.value))
        elif value is not None or not _may_be_left_out(argument):
            return None
    return found


def _may_be_left_out(argument: GraphQLArgument) -> bool:
    has_default = argument.default is not None or argument.default_value is not Undefined
    return not has_default and not is_required_argument(argument)


def _found_in(
    by_variables: list[tuple[str, str]] | None, variables: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Returns the arguments; None where one of the variables has no value, or null, which may be an error."""
    if by_variables is None:
        return None
    values = {}
    for name, variable in by_variables:
        value = variables.get(variable)
        if value is None:
            return None
        values[name] = value
    return values


def _constant(
    definition: GraphQLField, node: FieldNode, convert: Conversion | None, hide_suggestions: bool
) -> dict[str, Any] | None:
    try:
        values = get_argument_values(definition, node, NO_VARIABLES, None, hide_suggestions)
        return convert(values) if convert else values
    except Exception:
        return None


def _variables(value: ValueNode) -> bool:
    return any(isinstance(node, VariableNode) for node in _nodes(value))


def _nodes(value: ValueNode) -> Iterator[ValueNode]:
    yield value
    if isinstance(value, ListValueNode):
        for item in value.values:
            yield from _nodes(item)
    elif isinstance(value, ObjectValueNode):
        for member in value.fields:
            yield from _nodes(member.value)
