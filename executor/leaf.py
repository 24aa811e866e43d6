"""Leaf values: graphql-core's checks, and the tests under which they would change nothing.

A leaf that passes its `guard` may be written to the response as it is. All others go through `completer`,
which is graphql-core's own coercion with its own errors, so the guards only have to be sure, never complete.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    GraphQLBoolean,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLString,
    Undefined,
)
from graphql.pyutils import inspect
from strawberry.schema.schema_converter import CustomGraphQLEnumType

from executor.plan import Completer, FieldSite

if TYPE_CHECKING:
    from executor.operation import Operation
    from executor.positions import Position

GUARDS: dict[GraphQLLeafType, str] = {
    GraphQLString: "{v}.__class__ is not str",
    GraphQLID: "{v}.__class__ is not str",
    GraphQLBoolean: "{v}.__class__ is not bool",
    GraphQLInt: f"{{v}}.__class__ is not int or not {GRAPHQL_MIN_INT} <= {{v}} <= {GRAPHQL_MAX_INT}",
    # inf - inf and nan - nan are nan, which equals nothing
    GraphQLFloat: "{v}.__class__ is not float or {v} - {v} != 0.0",
}
"""For each built-in scalar the test, in Python, that a value is *not* certainly its own result."""

PLAIN: frozenset[type] = frozenset(
    {str, int, float, bool, bytes, list, tuple, dict, datetime, date, time, timedelta, Decimal, UUID}
)
"""Types whose values are neither null nor awaitable nor exceptions: custom scalars take them at once."""

_EXACT: dict[GraphQLLeafType, type] = {GraphQLString: str, GraphQLID: str, GraphQLBoolean: bool}

Bulk: TypeAlias = Callable[[Sequence[Any]], "list[Any] | None"]


def null_error(site: FieldSite) -> TypeError:
    """Returns the error of a null where none may be."""
    return TypeError(f"Cannot return null for non-nullable field {site.label}.")


def unserialized_error(leaf: GraphQLLeafType, value: Any, coerced: Any) -> TypeError:
    """Returns the error of a scalar that turned a value into nothing."""
    return TypeError(
        f"Expected `{inspect(leaf)}.coerce_output_value({inspect(value)})` to return non-nullable value, "
        f"returned: {inspect(coerced)}"
    )


def leaf_completer(leaf: GraphQLLeafType, nullable: bool) -> Completer:
    """Returns the completion of a scalar or an enum, exactly as graphql-core does it."""
    coerce = leaf.coerce_output_value

    def complete(value: Any, operation: Operation, position: Position, site: FieldSite) -> Any:
        if isinstance(value, Exception):
            raise value
        if value is None or value is Undefined:
            if nullable:
                return None
            raise null_error(site)
        coerced = coerce(value)
        if coerced is None or coerced is Undefined:
            raise unserialized_error(leaf, value, coerced)
        return coerced

    return complete


def enum_names(leaf: GraphQLLeafType) -> dict[int, str] | None:
    """Returns the names of an enum's members by `id(member)`, None if the type is no Strawberry enum.

    By identity, because hashing a member is a call into Python and comparing may be anybody's `__eq__`.
    """
    if type(leaf) is not CustomGraphQLEnumType:
        return None
    names: dict[int, str] = {}
    member: Enum
    for member in leaf.wrapped_cls:
        try:
            names[id(member)] = leaf.coerce_output_value(member)
        except Exception:  # noqa: S112 - whatever it is, it is raised where it belongs
            continue
    return names


def bulk_copier(leaf: GraphQLLeafType, nullable: bool) -> Bulk | None:
    """Returns a function that copies a list whose items are all sure, and None for any other list.

    100,000 floats take 5 ms this way, and 165 ms in graphql-core.
    """
    if leaf is GraphQLFloat:
        return _copy_floats
    if leaf is GraphQLInt:
        return _copy_ints
    exact = _EXACT.get(leaf)
    return _exact_copier({exact, type(None)} if nullable else {exact}) if exact else None


def _exact_copier(allowed: set[type]) -> Bulk:
    def copy(values: Sequence[Any]) -> list[Any] | None:
        return list(values) if allowed.issuperset(map(type, values)) else None

    return copy


def _copy_floats(values: Sequence[Any]) -> list[Any] | None:
    if set(map(type, values)) != {float}:
        return None
    # one infinity or nan makes the sum one; a sum that overflows is looked at again
    return list(values) if isfinite(sum(values)) or all(map(isfinite, values)) else None


def _copy_ints(values: Sequence[Any]) -> list[Any] | None:
    if set(map(type, values)) != {int}:
        return None
    return list(values) if min(values) >= GRAPHQL_MIN_INT and max(values) <= GRAPHQL_MAX_INT else None
