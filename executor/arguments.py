"""Arguments of a field: as graphql-core coerces them, but not once for each object where once is enough."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLInputType,
    ListValueNode,
    ObjectValueNode,
    ValueNode,
    VariableNode,
    get_argument_values,
    get_nullable_type,
    is_enum_type,
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

    def read(operation: Operation) -> dict[str, Any]:
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
