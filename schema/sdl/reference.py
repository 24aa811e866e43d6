"""The reference for people: one Markdown page of everything in the schema, each type by its kind and name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLType,
    GraphQLUnionType,
    build_schema,
    get_named_type,
    is_introspection_type,
    is_specified_scalar_type,
    print_ast,
)

TITLE = """# The schema

Written from [schema.graphql](../schema.graphql) by `make schema`; a test compares them. `!` is never null.
"""
ROOTS = {"Query": "Queries", "Mutation": "Mutations", "Subscription": "Subscriptions"}
KINDS: dict[str, type[GraphQLNamedType]] = {
    "Objects": GraphQLObjectType,
    "Interfaces": GraphQLInterfaceType,
    "Unions": GraphQLUnionType,
    "Inputs": GraphQLInputObjectType,
    "Enums": GraphQLEnumType,
    "Scalars": GraphQLScalarType,
}


def reference(sdl: str) -> str:
    """Returns the page as Markdown."""
    return "\n".join([TITLE, *_lines(build_schema(sdl))]).rstrip() + "\n"


def _lines(schema: GraphQLSchema) -> Iterator[str]:
    for name, heading in ROOTS.items():
        if name in schema.type_map:
            yield from (f"## {heading}", "", *_body(schema.type_map[name], schema))
    for heading, kind in KINDS.items():
        found = [each for name, each in sorted(schema.type_map.items()) if _is_shown(each, kind)]
        if found:
            yield from (f"## {heading}", "")
        for each in found:
            yield from (f"### {each.name}", "", *_body(each, schema))


def _is_shown(of: GraphQLNamedType, kind: type[GraphQLNamedType]) -> bool:
    is_own = not is_introspection_type(of) and not is_specified_scalar_type(of)
    return isinstance(of, kind) and is_own and of.name not in ROOTS


def _body(of: GraphQLNamedType, schema: GraphQLSchema) -> Iterator[str]:
    yield from (of.description or "", "")
    if isinstance(of, GraphQLObjectType | GraphQLInterfaceType):
        if of.interfaces:
            yield from (f"Implements {', '.join(_link(each) for each in of.interfaces)}.", "")
        yield from _fields(of.fields)
    if isinstance(of, GraphQLInterfaceType):
        yield from (f"Implemented by {_listed(schema.get_possible_types(of))}.", "")
    if isinstance(of, GraphQLUnionType):
        yield from (f"One of {_listed(of.types)}.", "")
    if isinstance(of, GraphQLInputObjectType):
        yield from (["Exactly one of these is given.", ""] if of.is_one_of else [])
        yield from ("| field | type | default | |", "|---|---|---|---|")
        for name, field in of.fields.items():
            yield f"| `{name}` | {_link(field.type)} | {_default(field)} | {_text(field)} |"
        yield ""
    if isinstance(of, GraphQLEnumType):
        yield from (*(f"- `{name}`{_after(value.description)}" for name, value in of.values.items()), "")
    if isinstance(of, GraphQLScalarType) and of.specified_by_url:
        yield from (f"Specified by <{of.specified_by_url}>.", "")


def _fields(fields: Mapping[str, GraphQLField]) -> Iterator[str]:
    yield from ("| field | type | |", "|---|---|---|")
    for name, field in fields.items():
        yield f"| `{name}` | {_link(field.type)} | {_text(field)}{_arguments(field.args)} |"
    yield ""


def _arguments(arguments: Mapping[str, GraphQLArgument]) -> str:
    return "".join(
        f"<br>`{name}`: {_link(argument.type)}{' = ' + _default(argument) if _default(argument) else ''}"
        f"{_after(argument.description)}"
        for name, argument in arguments.items()
    )


def _text(of: GraphQLField | GraphQLInputField) -> str:
    text = _cell(of.description)
    return text if of.deprecation_reason is None else f"{text} **Deprecated.** {_cell(of.deprecation_reason)}"


def _default(of: GraphQLArgument | GraphQLInputField) -> str:
    written = of.ast_node.default_value if of.ast_node else None
    return "" if written is None else f"`{print_ast(written)}`"


def _after(description: str | None) -> str:
    return f": {_cell(description)}" if description else ""


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def _listed(types: Iterable[GraphQLNamedType]) -> str:
    return ", ".join(sorted(map(_link, types)))


def _link(of: GraphQLType) -> str:
    """Returns a type as it is written, with its name leading to its own place on the page."""
    named = get_named_type(of)
    text = str(of)
    if is_specified_scalar_type(named):
        return text.replace("[", "\\[")
    before, _, after = text.partition(named.name)
    return before.replace("[", "\\[") + f"[{named.name}](#{named.name.lower()})" + after
