"""Values of input types, coerced by functions made once for each type instead of by a look at it each time.

They do what graphql-core's `coerce_input_value` does. A value that is of no kind that JSON has is left to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from graphql import (
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLLeafType,
    GraphQLList,
    Undefined,
    coerce_input_value,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    is_required_input_field,
)
from graphql.type import assert_leaf_type
from graphql.utilities.coerce_input_value import coerce_default_value

from executor.refusal import Refused

Coerce: TypeAlias = Callable[[Any], Any]
"""Returns the coerced value, or `Undefined` for one that is wrong."""

MOST_NESTED = 32
"""How deep a type may lead; graphql-core measures how deep values do, because some types have no end."""


def coercer(type_: GraphQLInputType, depth: int = 0) -> Coerce:
    """Returns what coerces values of a type.

    Raises `Refused` for one that contains itself, whose values graphql-core has to measure first.
    """
    if depth > MOST_NESTED:
        raise Refused("input type without an end")
    if is_non_null_type(type_):
        return _needed(coercer(type_.of_type, depth))
    if is_list_type(type_):
        return _list(type_, coercer(type_.of_type, depth + 1))
    if is_input_object_type(type_):
        return _object(type_, [_Member.of(name, field, depth) for name, field in type_.fields.items()])
    return _leaf(assert_leaf_type(type_))


class _Member(NamedTuple):
    """A field of an input object."""

    name: str
    out_name: str
    coerce: Coerce
    is_required: bool
    field: GraphQLInputField

    @classmethod
    def of(cls, name: str, field: GraphQLInputField, depth: int) -> _Member:
        """Returns a field with what coerces its values."""
        coerce = coercer(field.type, depth + 1)
        return cls(name, field.out_name or name, coerce, is_required_input_field(field), field)


def _needed(coerce: Coerce) -> Coerce:
    def needed(value: Any) -> Any:
        return Undefined if value is None or value is Undefined else coerce(value)

    return needed


def _leaf(type_: GraphQLLeafType) -> Coerce:
    def leaf(value: Any) -> Any:
        if value is None or value is Undefined:
            return None
        try:
            return type_.coerce_input_value(value)
        except Exception:
            return Undefined

    return leaf


def _list(type_: GraphQLList[Any], coerce: Coerce) -> Coerce:
    def items(value: Any) -> Any:
        if value is None:
            return None
        if value.__class__ is not list:
            return coerce_input_value(value, type_)
        coerced = [coerce(item) for item in value]
        return Undefined if any(item is Undefined for item in coerced) else coerced

    return items


def _object(type_: GraphQLInputObjectType, members: list[_Member]) -> Coerce:
    names = frozenset(type_.fields)

    def members_of(value: Any) -> Any:
        if value is None:
            return None
        if value.__class__ is not dict or not value.keys() <= names:
            return coerce_input_value(value, type_)
        coerced: dict[str, Any] = {}
        for name, out_name, coerce, is_required, field in members:
            given = value.get(name, Undefined)
            if given is not Undefined:
                member = coerce(given)
                if member is Undefined:
                    return Undefined
                coerced[out_name] = member
            elif is_required:
                return Undefined
            elif (default := coerce_default_value(field)) is not Undefined:
                coerced[out_name] = default
        if type_.is_one_of and not (len(value) == 1 and _is_one(coerced)):
            return coerce_input_value(value, type_)
        return type_.out_type(coerced)

    return members_of


def _is_one(coerced: dict[str, Any]) -> bool:
    return len(coerced) == 1 and next(iter(coerced.values())) is not None
