"""Selections of one list or edge with all that it holds, made from the schema; of other rows only leaves.

Every field is called `Type__field`, so that an answer says by itself which fields had something to tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    get_named_type,
    is_abstract_type,
    is_interface_type,
    is_leaf_type,
    is_object_type,
    is_required_argument,
)

from tests.schema.selections import SCHEMA, literal

GROUPS = "interval: MONTH, groupBy: [MODEL, MODEL_VERSION, API_KEY, JOB]"
"""Splits usage by all there is, so that a bucket has each of its edges."""


def query() -> GraphQLObjectType:
    """Returns the query root."""
    assert SCHEMA.query_type is not None
    return SCHEMA.query_type


def reachable() -> dict[str, GraphQLObjectType]:
    """Returns every object type that a query can come to, without the root."""
    found: dict[str, GraphQLObjectType] = {}
    waiting = [query()]
    while waiting:
        for field in waiting.pop().fields.values():
            for each in _objects(get_named_type(field.type)):
                if each.name not in found:
                    found[each.name] = each
                    waiting.append(each)
    return found


def lists() -> dict[str, str]:
    """Returns the fields of the query root that are connections, and the type that each lists."""
    names = {name: get_named_type(field.type).name for name, field in query().fields.items()}
    return {name: of.removesuffix("Connection") for name, of in names.items() if of.endswith("Connection")}


def rows() -> set[str]:
    """Returns the types whose objects stand in lists: the nodes, and what connections hold."""
    node = SCHEMA.type_map["Node"]
    assert is_interface_type(node)
    return {each.name for each in SCHEMA.get_possible_types(node)} | set(lists().values())


def edges(type_name: str) -> Iterator[str]:
    """Yields the fields of a type that lead on: to lists, to other rows, to values of many fields."""
    for name, field in reachable()[type_name].fields.items():
        if not is_leaf_type(get_named_type(field.type)):
            yield name


def edge(type_name: str, name: str, arguments: str = "first: 3") -> str:
    """Returns the selection of one edge; `arguments` are given to it if it is a list."""
    return _field(reachable()[type_name], name, arguments)


def leaves(type_name: str) -> str:
    """Returns the selection of everything that is no edge."""
    of = reachable()[type_name]
    return " ".join(
        _field(of, name, "") for name, field in of.fields.items() if is_leaf_type(get_named_type(field.type))
    )


def roots(name: str, selection: str) -> str:
    """Returns a query of a list with the variable `$first`."""
    field = query().fields[name]
    given = ["first: $first", *_required(field), *([GROUPS] if "groupBy" in field.args else [])]
    return f"query ($first: Int) {{ {name}({', '.join(given)}) {{ {selection} }} }}"


def connection(name: str) -> str:
    """Returns the selection of all that a list of the query root holds."""
    return _below(get_named_type(query().fields[name].type))


def told(answer: Any) -> Iterator[str]:
    """Yields the coordinates of all fields that are neither null nor empty."""
    if isinstance(answer, list):
        for each in answer:
            yield from told(each)
    elif isinstance(answer, dict):
        for key, value in answer.items():
            if "__" in key and value is not None and value != []:
                yield key.replace("__", ".")
            yield from told(value)


def _field(of: GraphQLObjectType, name: str, arguments: str) -> str:
    field = of.fields[name]
    given = [*_required(field), *([arguments] if arguments and "first" in field.args else [])]
    called = f"{of.name}__{name}: {name}" + (f"({', '.join(given)})" if given else "")
    named = get_named_type(field.type)
    return called if is_leaf_type(named) else f"{called} {{ {_below(named)} }}"


def _below(named: GraphQLNamedType) -> str:
    if is_abstract_type(named):
        return " ".join(f"... on {each.name} {{ {_below(each)} }}" for each in _objects(named))
    (of,) = _objects(named)
    if of.name in rows():
        return leaves(of.name)
    return " ".join(_field(of, name, "") for name in of.fields)


def _required(field: GraphQLField) -> list[str]:
    return [
        f"{name}: {literal(argument.type)}"
        for name, argument in field.args.items()
        if is_required_argument(argument)
    ]


def _objects(named: GraphQLNamedType) -> list[GraphQLObjectType]:
    if is_abstract_type(named):
        return list(SCHEMA.get_possible_types(named))
    return [named] if is_object_type(named) else []
