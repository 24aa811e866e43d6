"""How many values an operation's variables hold, counted before they are coerced one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

from graphql import (
    GraphQLInputType,
    GraphQLSchema,
    OperationDefinitionNode,
    get_nullable_type,
    is_input_object_type,
    is_leaf_type,
    is_list_type,
    type_from_ast,
)


class TypedVariable(NamedTuple):
    """A variable that can hold many values: a list or an input object."""

    name: str
    type: GraphQLInputType


def typed_variables(schema: GraphQLSchema, operation: OperationDefinitionNode) -> tuple[TypedVariable, ...]:
    """Return the variables of a valid operation that are not of a scalar or enum type."""
    declared = {
        definition.variable.name.value: cast(GraphQLInputType, type_from_ast(schema, definition.type))
        for definition in operation.variable_definitions or ()
    }
    return tuple(
        TypedVariable(name, type_)
        for name, type_ in declared.items()
        if not is_leaf_type(get_nullable_type(type_))
    )


def count_values(declared: Iterable[TypedVariable], variables: Mapping[str, Any], limit: int) -> int:
    """Return the number of values that coercion would visit; anything above `limit` once that is passed.

    What is inside a scalar such as JSON is one value, however large: coercion does not look into it.
    """
    counter = _Counter(limit)
    for name, type_ in declared:
        value = variables.get(name)
        if value is not None:
            counter.visit(value, type_)
    return counter.count


class _Counter:
    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.count = 0

    def visit(self, value: Any, declared: GraphQLInputType) -> None:
        nullable = get_nullable_type(declared)
        self.count += 1
        if self.count > self.limit:
            return
        if is_list_type(nullable) and isinstance(value, list):
            self.visit_list(value, nullable.of_type)
        elif is_input_object_type(nullable) and isinstance(value, dict):
            for name, field in nullable.fields.items():
                if value.get(name) is not None:
                    self.visit(value[name], field.type)

    def visit_list(self, values: list[Any], item_type: GraphQLInputType) -> None:
        if is_leaf_type(get_nullable_type(item_type)) or self.count + len(values) > self.limit:
            self.count += len(values)
            return
        for value in values:
            self.visit(value, item_type)
