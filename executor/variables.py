"""Variables of a request: graphql-core's coercion, with the signatures looked up once for each operation."""

from __future__ import annotations

from typing import Any

from graphql import (
    GraphQLError,
    GraphQLSchema,
    Undefined,
    VariableDefinitionNode,
    coerce_input_value,
    get_nullable_type,
    get_variable_values,
    is_leaf_type,
    is_non_null_type,
)
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource


class Variables:
    """The variables that an operation declares.

    Scalars and enums are coerced here. Whatever is anything else (a list, an input object, a default that is
    needed, a wrong value) is left to graphql-core, all variables at once, for its errors in its order.
    """

    __slots__ = ("_definitions", "_leaves", "_schema")

    def __init__(self, schema: GraphQLSchema, definitions: tuple[VariableDefinitionNode, ...]) -> None:
        self._schema = schema
        self._definitions = definitions
        signatures = [get_variable_signature(schema, definition) for definition in definitions]
        leaves = [
            signature
            for signature in signatures
            if isinstance(signature, GraphQLVariableSignature)
            and is_leaf_type(get_nullable_type(signature.type))
        ]
        self._leaves = leaves if len(leaves) == len(signatures) else None

    def coerce(
        self, values: dict[str, Any], max_errors: int, hide_suggestions: bool
    ) -> VariableValues | list[GraphQLError]:
        """Returns the coerced variables, or what is wrong with them."""
        return self._quickly(values) or get_variable_values(
            self._schema, self._definitions, values, max_errors=max_errors, hide_suggestions=hide_suggestions
        )

    def _quickly(self, values: dict[str, Any]) -> VariableValues | None:
        if self._leaves is None:
            return None
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for signature in self._leaves:
            name = signature.name
            value = values.get(name, Undefined)
            sources[name] = VariableValueSource(signature, value)
            if value is Undefined:
                if signature.default is not None or is_non_null_type(signature.type):
                    return None
                continue
            coerced[name] = coerce_input_value(value, signature.type)
            if coerced[name] is Undefined:
                return None
        return VariableValues(sources, coerced)


def _is_leaf(signature: GraphQLVariableSignature) -> bool:
    return is_leaf_type(get_nullable_type(signature.type))
