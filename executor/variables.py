"""Variables of a request: coerced as graphql-core does, by what was found out once for each operation."""

from __future__ import annotations

from typing import Any

from graphql import (
    GraphQLError,
    GraphQLSchema,
    Undefined,
    VariableDefinitionNode,
    get_variable_values,
    is_non_null_type,
)
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource

from executor.inputs import Coerce, coercer
from executor.refusal import Refused


class Variables:
    """The variables that an operation declares.

    Whatever is unusual (a type that contains itself, a default that is needed, a wrong value) is left to
    graphql-core, all variables at once, for its errors in its order.
    """

    __slots__ = ("_coercers", "_definitions", "_schema")

    def __init__(self, schema: GraphQLSchema, definitions: tuple[VariableDefinitionNode, ...]) -> None:
        self._schema = schema
        self._definitions = definitions
        self._coercers = _coercers(schema, definitions)

    def coerce(
        self, values: dict[str, Any], max_errors: int, hide_suggestions: bool
    ) -> VariableValues | list[GraphQLError]:
        """Returns the coerced variables, or what is wrong with them."""
        return self._quickly(values) or get_variable_values(
            self._schema, self._definitions, values, max_errors=max_errors, hide_suggestions=hide_suggestions
        )

    def _quickly(self, values: dict[str, Any]) -> VariableValues | None:
        if self._coercers is None:
            return None
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for signature, coerce, may_be_missing in self._coercers:
            name = signature.name
            value = values.get(name, Undefined)
            sources[name] = VariableValueSource(signature, value)
            if value is Undefined:
                if not may_be_missing:
                    return None
                continue
            coerced[name] = found = coerce(value)
            if found is Undefined:
                return None
        return VariableValues(sources, coerced)


def _coercers(
    schema: GraphQLSchema, definitions: tuple[VariableDefinitionNode, ...]
) -> list[tuple[GraphQLVariableSignature, Coerce, bool]] | None:
    """Returns each variable with what coerces it, and whether it may be left out; None for unusual ones."""
    found = []
    for definition in definitions:
        signature = get_variable_signature(schema, definition)
        if not isinstance(signature, GraphQLVariableSignature):
            return None
        may_be_missing = signature.default is None and not is_non_null_type(signature.type)
        try:
            found.append((signature, coercer(signature.type), may_be_missing))
        except Refused:
            return None
    return found
