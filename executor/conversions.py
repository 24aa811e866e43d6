"""Strawberry's objects of input values, made by functions that know their type and look nothing up.

They do what Strawberry's `convert_argument` does, for all that is made of scalars, enums, lists and input
objects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING
from typing import Any, TypeAlias

from strawberry import UNSET, Some
from strawberry.relay.types import GlobalID
from strawberry.scalars import is_scalar
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types import get_object_definition
from strawberry.types.arguments import convert_argument
from strawberry.types.base import StrawberryList, StrawberryMaybe, StrawberryOptional
from strawberry.types.enum import StrawberryEnumDefinition, has_enum_definition
from strawberry.types.lazy_type import LazyType

from executor.refusal import Refused

Convert: TypeAlias = Callable[[Any], Any]


class Conversions:
    """Makes the conversions of one schema's arguments."""

    def __init__(self, converter: GraphQLCoreConverter) -> None:
        self._config = converter.config
        self._scalars = converter.scalar_registry

    def of(self, type_: Any, around: tuple[Any, ...] = ()) -> Convert | None:
        """Returns the conversion of a type; None where values are handed on as they are.

        `around` are the input objects that it is in. Raises `Refused` for types that it does not know, that
        contain themselves, or that build their values themselves.
        """
        if isinstance(type_, StrawberryMaybe):
            return self._maybe(type_, around)
        if isinstance(type_, StrawberryOptional):
            return self.of(type_.of_type, around)
        if isinstance(type_, StrawberryList):
            return _list(self.of(type_.of_type, around))
        if type_ is GlobalID:
            raise Refused("argument of the type GlobalID")
        if (
            is_scalar(type_, self._scalars)
            or isinstance(type_, StrawberryEnumDefinition)
            or has_enum_definition(type_)
        ):
            return None
        if isinstance(type_, LazyType):
            return self.of(type_.resolve_type(), around)
        return self._object(type_, around)

    def _maybe(self, type_: StrawberryMaybe, around: tuple[Any, ...]) -> Convert:
        convert = self.of(type_.of_type, around)
        if isinstance(type_.of_type, StrawberryOptional):
            return lambda value: Some(value if convert is None else convert(value))
        scalars, config = self._scalars, self._config

        def some(value: Any) -> Any:
            if value is None:
                return convert_argument(value, type_, scalars, config)  # raises, in Strawberry's words
            return Some(value if convert is None else convert(value))

        return some

    def _object(self, type_: Any, around: tuple[Any, ...]) -> Convert:
        definition = get_object_definition(type_)
        if definition is None or not isinstance(type_, type) or type_ in around:
            raise Refused("argument of an unknown type")
        if not definition.is_input or definition.from_input is not None:
            raise Refused("input type that builds its values")
        name_of = self._config.name_converter.from_field
        members = [
            (name_of(field), field.python_name, self.of(_type_of(field, definition), (*around, type_)))
            for field in definition.fields
        ]
        implied = {
            field.python_name: None
            for field in definition.fields
            if field.default_value is MISSING and field.default_factory is MISSING
        }
        return _made(type_, implied, members)


def _type_of(field: Any, definition: Any) -> Any:
    return field.resolve_type(type_definition=definition)


def _made(type_: type, implied: dict[str, Any], members: list[tuple[str, str, Convert | None]]) -> Convert:
    def made(value: Any) -> Any:
        if value is None or value is UNSET:
            return value
        given = implied.copy()
        for name, python_name, convert in members:
            if name in value:
                given[python_name] = value[name] if convert is None else convert(value[name])
        return type_(**given)

    return made


def _list(convert: Convert | None) -> Convert:
    def items(value: Any) -> Any:
        if value is None or value is UNSET:
            return value
        # graphql-core gives everybody the same default, so the list is another one each time
        return list(value) if convert is None else [convert(item) for item in value]

    return items
