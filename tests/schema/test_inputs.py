"""Counting the values of variables, before they are coerced."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import OperationDefinitionNode, build_schema, parse

from schema.inputs import count_values, typed_variables

SCHEMA = build_schema("""
    scalar JSON
    enum Color { RED }
    input Tree { name: String, colors: [Color!], data: JSON, children: [Tree!], rows: [[Int]] }
    type Query { a(tree: Tree, trees: [Tree], number: Int, names: [String!]): Int }
""")
DOCUMENT = parse("""query ($tree: Tree, $trees: [Tree], $number: Int, $names: [String!]!) {
    a(tree: $tree, trees: $trees, number: $number, names: $names)
}""")


def count(variables: dict[str, Any], limit: int = 1000) -> int:
    operation = DOCUMENT.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    return count_values(typed_variables(SCHEMA, operation), variables, limit)


@pytest.mark.parametrize(
    ("variables", "number"),
    [
        ({}, 0),
        ({"number": 1}, 0),
        ({"tree": None}, 0),
        ({"tree": {}}, 1),
        ({"tree": {"name": "a", "colors": None, "unknown": [1, 2, 3]}}, 2),
        ({"tree": {"data": [[1, 2], {"a": 3}]}}, 2),
        ({"tree": {"colors": ["RED", "RED"]}}, 4),
        ({"tree": {"rows": [[1, 2], [3], None]}}, 8),
        ({"tree": {"children": [{"name": "b", "children": [{}]}, {}]}}, 7),
        ({"trees": [{}, None]}, 3),
        ({"names": ["a", "b"]}, 3),
        ({"tree": "no object"}, 1),
    ],
)
def test_what_coercion_would_visit_is_counted(variables: dict[str, Any], number: int) -> None:
    assert count(variables) == number


def test_a_lone_value_counts_like_a_list_of_it() -> None:
    tree = {"children": {"rows": [[1] * 50] * 50}}

    assert count({"tree": tree}, 10_000) == count({"tree": {"children": [tree["children"]]}}, 10_000)


def test_counting_ends_where_the_limit_is_passed() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"children": [deep, deep]}

    assert 100 < count({"tree": deep}, 100) <= 110
    assert count({"names": ["a"] * 1001}) > 1000
