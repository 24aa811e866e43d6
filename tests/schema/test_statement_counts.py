"""No list and no edge of the schema costs more statements for many parents than for two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.schema.edges import connection, edge, edges, leaves, lists, reachable, roots, rows, told
from tests.schema.graph import Caller, Graph
from tests.schema.peopled import PARENTS, peopled

NODES = "query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on {0} {{ {1} }} }} }}"

Asked = tuple[str, str, dict[str, Any], dict[str, Any]]
"""What is asked, the document, and its variables for two parents and for forty."""


def questions(ids: dict[str, list[str]]) -> Iterator[Asked]:
    """Yields every list of the query root, and every edge of every type that has objects in lists."""
    for root in lists():
        yield f"Query.{root}", roots(root, connection(root)), {"first": 2}, {"first": PARENTS}
    listed = {of: root for root, of in lists().items()}
    for of in rows():
        for coordinate, selection in selections(of):
            if of in ids:
                document = NODES.format(of, selection)
                yield coordinate, document, {"ids": ids[of][:2]}, {"ids": ids[of]}
            else:
                document = roots(listed[of], f"nodes {{ {selection} }}")
                yield coordinate, document, {"first": 2}, {"first": PARENTS}


def selections(of: str) -> Iterator[tuple[str, str]]:
    """Yields a type's leaves together, and each of its edges, lists from both ends."""
    yield f"{of}, leaves", leaves(of)
    for name in edges(of):
        for arguments in ("first: 3", "last: 3"):
            yield f"{of}.{name}", edge(of, name, arguments)


def shape(statement: str) -> str:
    """Returns a statement without the number of its values."""
    return " ".join(statement.split()).split(" IN (")[0]


def has_something(parent: Any) -> bool:
    """Tells whether what was asked of a parent is there; of a list, whether something stands in it."""
    found = set(told(parent))
    is_list = any(coordinate.endswith("Connection.pageInfo") for coordinate in found)
    return any(coordinate.endswith("Connection.nodes") for coordinate in found) if is_list else bool(found)


def parents(data: Any) -> list[Any]:
    """Returns the objects that were asked."""
    (root,) = data.values()
    return root if isinstance(root, list) else root.get("nodes") or [root]


async def counted(graph: Graph, caller: Caller, document: str, variables: Any) -> tuple[Any, list[str]]:
    with graph.statements() as found:
        data = await graph.data(caller, document, **variables)
    return data, sorted(map(shape, found))


async def test_every_list_and_edge_costs_as_many_statements_for_2_parents_as_for_40(
    any_graph: Graph,
) -> None:
    caller = await any_graph.caller()
    ids = await peopled(any_graph, caller)
    dearer, untold, seen = {}, [], set()

    for coordinate, document, two, forty in questions(ids):
        _, for_two = await counted(any_graph, caller, document, two)
        data, for_forty = await counted(any_graph, caller, document, forty)
        seen |= set(told(data))
        if for_two != for_forty:
            dearer[coordinate] = (len(for_two), len(for_forty))
        if "leaves" not in coordinate and not all(map(has_something, parents(data))):
            untold.append(coordinate)

    everything = {f"{of.name}.{name}" for of in reachable().values() for name in of.fields}
    assert dearer == {}
    assert untold == [], "of these, not every parent in `peopled` has something"
    assert everything - seen == set(), "nothing in `peopled` has these"


@pytest.mark.parametrize("of", sorted(rows()))
def test_every_type_in_a_list_has_an_edge_or_a_leaf_that_is_asked_for(of: str) -> None:
    assert [coordinate for coordinate, _ in selections(of)]
