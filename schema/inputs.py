"""How many values an operation's variables hold, counted before they are coerced one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias, cast

from graphql import (
    GraphQLInputType,
    GraphQLSchema,
    OperationDefinitionNode,
    get_nullable_type,
    is_input_object_type,
    is_list_type,
    type_from_ast,
)


class Many:
    """A list of values that are counted one by one, `of` a shape."""

    __slots__ = ("of",)

    def __init__(self, of: Shape) -> None:
        self.of = of


class Members:
    """An input object: its fields' shapes by name."""

    __slots__ = ("of",)

    def __init__(self) -> None:
        self.of: dict[str, Shape] = {}


Shape: TypeAlias = Many | Members | None
"""What a type looks like to who counts: None is one value, a scalar or an enum."""


class TypedVariable(NamedTuple):
    """A variable that can hold many values: a list or an input object."""

    name: str
    shape: Many | Members


def typed_variables(schema: GraphQLSchema, operation: OperationDefinitionNode) -> tuple[TypedVariable, ...]:
    """Return the variables of a valid operation that are not of a scalar or enum type."""
    known: dict[str, Members] = {}
    shapes = {
        definition.variable.name.value: _shape(
            cast(GraphQLInputType, type_from_ast(schema, definition.type)), known
        )
        for definition in operation.variable_definitions or ()
    }
    return tuple(TypedVariable(name, shape) for name, shape in shapes.items() if shape is not None)


def _shape(type_: GraphQLInputType, known: dict[str, Members]) -> Shape:
    """Return the shape of a type; `known` are those of the input objects, which may contain themselves."""
    nullable = get_nullable_type(type_)
    if is_list_type(nullable):
        return Many(_shape(nullable.of_type, known))
    if not is_input_object_type(nullable):
        return None
    found = known.get(nullable.name)
    if found is None:
        found = known[nullable.name] = Members()
        found.of.update({name: _shape(field.type, known) for name, field in nullable.fields.items()})
    return found


def count_values(declared: Iterable[TypedVariable], variables: Mapping[str, Any], limit: int) -> int:
    """Return the number of values that coercion would visit; anything above `limit` once that is passed.

    What is inside a scalar such as JSON is one value, however large: coercion does not look into it.
    """
    count = 0
    left: list[tuple[Any, Shape]] = [
        (variables[name], shape) for name, shape in declared if variables.get(name) is not None
    ]
    while left and count <= limit:
        value, shape = left.pop()
        count += 1
        if isinstance(shape, Members) and isinstance(value, dict):
            of = shape.of
            left += [(each, of[name]) for name, each in value.items() if each is not None and name in of]
        elif isinstance(shape, Many) and value is not None:
            values = value if isinstance(value, list) else [value]  # a lone value stands for a list of it
            if shape.of is None or count + len(values) > limit:
                count += len(values)
            else:
                left += [(each, shape.of) for each in values]
    return count
