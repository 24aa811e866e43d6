"""Where the value of a Strawberry field comes from, and how much of Strawberry's wrapper it needs.

The wrappers are recognised by where Strawberry defines them. A release that renames them, a schema that
replaces them, or a field class of its own gets the general way: slower, never wrong.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from keyword import iskeyword
from typing import Any

from graphql import GraphQLField
from strawberry import ID
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.base import StrawberryMaybe, StrawberryOptional, StrawberryType
from strawberry.types.enum import StrawberryEnumDefinition, has_enum_definition
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver, iscoroutinefunction

from executor.conversions import Conversions
from executor.plan import Attribute, Call, Conversion, Default, Event, Resolve, Source
from executor.refusal import Refused

_BASIC = "GraphQLCoreConverter.from_resolver.<locals>._get_basic_result"
_SYNC = "GraphQLCoreConverter.from_resolver.<locals>._resolver"
_ASYNC = "GraphQLCoreConverter.from_resolver.<locals>._async_resolver"
_EVENT = "GraphQLCoreConverter.from_field.<locals>.<lambda>"


def source_of(converter: GraphQLCoreConverter, definition: GraphQLField) -> tuple[Source, Conversion | None]:
    """Returns the source of a field, and the conversion of its arguments if the source calls the resolver.

    Raises `Refused` for a field without a `resolve`, which no Strawberry schema has.
    """
    resolve = definition.resolve
    if resolve is None:
        raise Refused("field without a resolver")
    field = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if is_stock(resolve, _EVENT):
        return Event(), None
    if not isinstance(field, StrawberryField) or type(field).get_result is not StrawberryField.get_result:
        return general(resolve), None
    if is_stock(resolve, _BASIC):
        getter = field.default_resolver
        return (
            Attribute(field.python_name) if getter is getattr else Default(getter, field.python_name)
        ), None
    if is_stock(resolve, _SYNC, _ASYNC) and (call := _call(field, resolve)) is not None:
        if all(map(_is_plain, field.arguments)):
            return call, _renaming(converter, field)
        with suppress(Refused):
            return replace(call, convert=_conversion(converter, field)), None
    return general(resolve), None


def general(resolve: Callable[..., Any], wrapped: bool = False) -> Resolve:
    """Returns the source that calls `resolve` as graphql-core does."""
    return Resolve(resolve, not wrapped and inspect.iscoroutinefunction(resolve), wrapped)


def is_stock(function: Callable[..., Any], *names: str) -> bool:
    """Says whether Strawberry's schema converter defined the function under one of the qualified names."""
    return (
        getattr(function, "__module__", None) == GraphQLCoreConverter.__module__
        and getattr(function, "__qualname__", None) in names
    )


def is_safe_name(name: str) -> bool:
    """Says whether a name of the server's own code may stand in generated code as it is."""
    return name.isascii() and name.isidentifier() and not iskeyword(name)


def _call(field: StrawberryField, resolve: Callable[..., Any]) -> Call | None:
    resolver = field.base_resolver
    if resolver is None or type(resolver).__call__ is not StrawberryResolver.__call__ or field.extensions:
        return None
    handlers = inspect.getclosurevars(resolve).nonlocals.get("field_exception_handlers")
    if handlers != () or not callable(resolver.wrapped_func):
        return None
    # an async generator function is "async" for Strawberry too, but calling it gives no coroutine
    is_coroutine = iscoroutinefunction(resolver._unbound_wrapped_func)
    if is_coroutine is not field.is_async:
        return None
    sources = (resolver.parent_parameter, resolver.root_parameter)
    names = tuple(dict.fromkeys(parameter.name for parameter in sources if parameter))
    info = resolver.info_parameter.name if resolver.info_parameter else None
    if not all(map(is_safe_name, (*names, info or "info"))):
        return None
    takes_self = resolver.self_parameter is not None
    function = resolver.wrapped_func
    bind = getattr(function, "__bind__", None) if takes_self and info and not is_coroutine else None
    return Call(function, takes_self, names, info, is_coroutine, bind, getattr(bind, "__key__", None))


def _is_plain(argument: StrawberryArgument) -> bool:
    """Says whether Strawberry hands the coerced value of an argument on as it is."""
    type_: StrawberryType | type = argument.type
    if isinstance(type_, StrawberryMaybe):
        return False
    if isinstance(type_, StrawberryOptional):
        type_ = type_.of_type
    if isinstance(type_, StrawberryEnumDefinition) or has_enum_definition(type_):
        return True
    return any(type_ is plain for plain in (str, int, float, bool, ID))


def _conversion(converter: GraphQLCoreConverter, field: StrawberryField) -> Conversion:
    """Strawberry's conversion of arguments that are not plain: they get their Python names and objects."""
    conversions, name_of = Conversions(converter), converter.config.name_converter.from_argument
    known = [
        (name_of(argument), argument.python_name, conversions.of(argument.type))
        for argument in field.arguments
    ]

    def convert(values: dict[str, Any]) -> dict[str, Any]:
        return {
            python_name: values[name] if convert_one is None else convert_one(values[name])
            for name, python_name, convert_one in known
            if name in values
        }

    return convert


def _renaming(converter: GraphQLCoreConverter, field: StrawberryField) -> Conversion:
    """Strawberry's conversion of arguments that are plain: they get their Python names."""
    name_of = converter.config.name_converter.from_argument
    names = [(argument.python_name, name_of(argument)) for argument in field.arguments]

    def convert(values: dict[str, Any]) -> dict[str, Any]:
        return {python_name: values[name] for python_name, name in names if name in values}

    return convert
