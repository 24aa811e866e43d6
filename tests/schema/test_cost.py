"""The cost of operations: from the directives in the schema, the variables, and nothing else."""

from __future__ import annotations

from math import isfinite
from typing import Any

import pytest
from graphql import OperationDefinitionNode, parse

from schema.cost import CostRules, Reckoning, reckon
from tests.foretell.graphql_service import schema

RULES = CostRules(schema._schema)


def reckoned(text: str, **variables: Any) -> Reckoning:
    document = parse(text)
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    return reckon(RULES, document, operation, variables, page=100)


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("{ hello }", 0),
        ("{ item { name } }", 1),
        ("{ item { name usage } }", 6),
        ("{ item { parent { parent { name } } } }", 3),
        # the connection, and so many entries
        ("{ items(first: 3) { nodes { name } } }", 1 + 3),
        ("{ items(last: 3) { nodes { usage } } }", 1 + 3 * (1 + 5)),
        ("{ items { nodes { name } } }", 1 + 20),
        ("{ items(first: 3) { nodes { children(first: 2) { nodes { name } } } } }", 1 + 3 * (1 + 1 + 2)),
        ("{ items(first: 3) { ... { nodes { name } ... { nodes { parent { name } } } } } }", 1 + 3 + 3 * 2),
        ("{ items(first: 3) { ...F } } fragment F on ItemConnection { nodes { name } }", 1 + 3),
        (
            "{ a: items(first: 3) { ...F } b: items(first: 5) { ...F } }"
            " fragment F on ItemConnection { ...G } fragment G on ItemConnection { nodes { usage } }",
            2 + 3 * 6 + 5 * 6,
        ),
        ("{ items(first: 0) { nodes { name } } }", 1 + 1),
        ("{ items(first: -5) { nodes { name } } }", 1 + 1),
        ("{ items(first: null) { nodes { name } } }", 1 + 20),
        ("{ __typename item { __typename } }", 1),
        ("{ __schema { types { name fields { name } } } }", 100),
        ('{ __type(name: "Item") { fields { name } } }', 10),
        ("mutation { login }", 0),
        ("subscription { count(to: 1) }", 0),
    ],
)
def test_the_cost_is_the_sum_of_what_is_selected(text: str, cost: float) -> None:
    assert reckoned(text).cost == cost


@pytest.mark.parametrize(
    ("variables", "cost"),
    [({"n": 5}, 6), ({}, 8), ({"n": None}, 21), ({"n": "x"}, 21), ({"n": True}, 21), ({"n": [1, 2]}, 3)],
)
def test_a_list_has_the_size_that_the_variables_say(variables: dict[str, Any], cost: float) -> None:
    text = "query ($n: Int = 7) { items(first: $n) { nodes { name } } }"

    assert reckoned(text, **variables).cost == cost


@pytest.mark.parametrize("size", ["101", "2147483647", "9" * 400])
def test_a_page_that_is_too_large_is_told(size: str) -> None:
    deep = "children(last: %s) { nodes { " * 5 % ((size,) * 5) + "name" + "} }" * 5

    found = reckoned(f"{{ items(first: {size}) {{ nodes {{ {deep} }} }} }}")

    assert set(found.oversized) == {"first", "last"}
    assert isfinite(found.cost)


def test_a_page_of_the_largest_size_is_fine() -> None:
    assert reckoned("{ items(first: 100) { nodes { name } } }").oversized == ()


def test_a_fragment_is_reckoned_once_for_each_way_it_is_spread() -> None:
    class Counting(CostRules):
        asked = 0

        def of(self, type_name: str, field_name: str) -> Any:
            self.asked += 1
            return super().of(type_name, field_name)

    rules = Counting(schema._schema)
    levels = 60
    fragments = " ".join(
        f"fragment f{n} on Item {{ x: parent {{ ...f{n + 1} }} y: parent {{ ...f{n + 1} }} }}"
        for n in range(levels)
    )
    document = parse(f"{{ item {{ ...f0 }} }} {fragments} fragment f{levels} on Item {{ name }}")
    (operation, *_) = document.definitions
    assert isinstance(operation, OperationDefinitionNode)

    cost = reckon(rules, document, operation, {}, page=100).cost

    assert cost == 1 + sum(2.0**level for level in range(1, levels + 1))
    assert rules.asked == 2 * levels + 2
