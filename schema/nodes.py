"""Node: objects with a global id, by the Relay specification (https://relay.dev/graphql/objectidentification.htm)."""

from __future__ import annotations

import binascii
from collections.abc import Awaitable, Callable
from functools import cache, lru_cache, partial
from types import CoroutineType, MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeVar, cast, dataclass_transform

import strawberry
from strawberry.types.base import get_object_definition

from engine import ids
from engine.errors import InvalidInputError
from executor import Reading
from schema.types import given, interface_type, object_type

T = TypeVar("T")


@interface_type
class Node:
    """An object that can be fetched again by its id."""

    id: strawberry.ID = strawberry.field(description="Opaque, and unique among all objects.")


class _Shaped(Protocol):
    """A type that shapes rows."""

    @classmethod
    def from_row(cls, row: Any) -> Any:
        """Returns the object of a row."""


_NODES: dict[str, type[_Shaped]] = {}


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def node_type(cls: type[T]) -> type[T]:
    """Makes an object type that other modules can shape by its name, without importing it in a circle."""
    made = object_type(cls)
    _NODES[cls.__name__] = cast(type[_Shaped], made)
    return made


Reader = Callable[[Any], Any]


class Column(NamedTuple):
    """The column that a field is read from: the first of `names` that a row has, as `convert` makes it."""

    names: tuple[str, ...]
    convert: Reader | None = None


def column(*names: str, convert: Reader | None = None) -> Column:
    """Returns the column of a field in `read_from_row`."""
    return Column(names, convert)


def read_from_row(**readers: Reader | Column) -> Callable[[type[T]], type[T]]:
    """Makes the fields of a type properties that read its `row`, when they are asked for.

    Objects are then made in no time, and what is not selected costs nothing. A field that is not named is
    the column of its name. A reader gets the object; plans read columns themselves (see `executor.Reading`).
    """

    def decorate(cls: type[T]) -> type[T]:
        definition = get_object_definition(cls, strict=True)
        for field in definition.fields:
            name = field.python_name
            if field.base_resolver is None and name != "row":
                given = readers.get(name, Column((name,)))
                reads = given.names[-1] if isinstance(given, Column) else name
                field.metadata = MappingProxyType({**field.metadata, "reads": (reads,)})
                setattr(cls, name, _property(given))
        return cls

    return decorate


def _property(given: Reader | Column) -> property:
    return (
        Reading("row", *given.names, convert=given.convert) if isinstance(given, Column) else property(given)
    )


def times(*columns: str) -> dict[str, Column]:
    """Returns the columns of times for `read_from_row`: milliseconds where a row has them, else the time."""
    return {name: column(f"{name}_ms", name) for name in columns}


def with_row(cls: type[T], row: Any) -> T:
    """Returns an object of a type that is read from its row."""
    made = object.__new__(cls)
    made.row = row  # type: ignore[attr-defined]
    return made


def node_class(type_name: str) -> type[Any]:
    """Returns a node's class."""
    return _NODES[type_name]


@cache
def shape_of(type_name: str) -> Callable[[Any], Any]:
    """Returns what makes an object of each row of a list, for a type that is read from its row."""
    make, cls = object.__new__, node_class(type_name)

    def shape(row: Any) -> Any:
        made = make(cls)
        made.row = row
        return made

    return shape


def shaped(type_name: str, row: Any) -> Any:
    """Returns the object of a row, None of None."""
    return None if row is None else _NODES[type_name].from_row(row)


def found_as(type_name: str, found: Any) -> Any:
    """Returns the object of a row that `Registered.find` found."""
    if found is None or isinstance(found, CoroutineType):
        return when_found(found, partial(shaped, type_name))
    return _NODES[type_name].from_row(found)


def when_found(found: Any, shape: Callable[[Any], Any]) -> Any:
    """Shapes what was found at once, or returns a coroutine of it where it has to be waited for."""
    return _shaped_later(found, shape) if isinstance(found, CoroutineType) else shape(found)


async def _shaped_later(found: Awaitable[Any], shape: Callable[[Any], Any]) -> Any:
    return shape(await found)


def global_id(type_name: str, row_id: str) -> strawberry.ID:
    """Returns the id by which clients know a row."""
    return strawberry.ID(ids.global_id(type_name, row_id))


@lru_cache(maxsize=10_000)
def registered_id(type_name: str, row_id: str) -> strawberry.ID:
    """Returns the same for models and versions, which are few and in every answer."""
    return global_id(type_name, row_id)


def parse_id(value: str) -> tuple[str, str]:
    """Returns the type's name and the row's id.

    Raises:
        InvalidInputError: this is no id of ours.
    """
    try:
        decoded = binascii.a2b_base64(value + "=" * (-len(value) % 4), strict_mode=True)
        type_name, _, row_id = decoded.decode("ascii").partition(":")
    except (ValueError, binascii.Error):
        type_name, row_id = "", ""
    if not type_name.isalnum() or len(row_id) != 32 or not row_id.isalnum():
        raise unknown_id(value)
    return type_name, row_id


def unknown_id(value: str) -> InvalidInputError:
    """Returns the error for an id that this server never gave out."""
    return InvalidInputError(f"{value[:100]!r} is not an id of this server.", constraint="id")


def row_id(value: str, type_name: str, *, path: tuple[str, ...] | None = None) -> str:
    """Returns the row's id of an object of a known type.

    Raises:
        InvalidInputError: this is no id, or one of another type.
    """
    try:
        found, parsed = parse_id(value)
    except InvalidInputError as error:
        raise InvalidInputError(error.message, path=path, constraint="id") from None
    if found != type_name:
        raise InvalidInputError(f"This id is of type {found}, not {type_name}.", path=path, constraint="id")
    return parsed


def row_ids(values: list[strawberry.ID] | None, type_name: str) -> tuple[str, ...] | None:
    """Returns the rows' ids of a filter's list; None stays None."""
    found = given(values)
    return None if found is None else tuple(row_id(value, type_name) for value in found)
