"""Columns: which ones of a row the selected fields of its object read, so that a list reads no others."""

from __future__ import annotations

from functools import lru_cache

from strawberry.types.base import get_object_definition

from executor import selected
from schema.access import Info
from schema.nodes import node_class


def columns_of_page(info: Info, type_name: str) -> frozenset[str] | None:
    """Returns the columns that the fields read which are selected on the nodes of a connection; None: all."""
    nodes, of_edges = selected(info, "nodes"), selected(info, "edges", "node")
    return columns_read(type_name, nodes | of_edges if of_edges else nodes)


@lru_cache(maxsize=1000)
def columns_read(type_name: str, names: frozenset[str]) -> frozenset[str] | None:
    """Returns the columns that fields of a type read, by their Python names.

    None: all, because one of them does not say what it reads.
    """
    definition = get_object_definition(node_class(type_name), strict=True)
    found: set[str] = set()
    for field in definition.fields:
        if field.python_name in names:
            reads = field.metadata.get("reads")
            if reads is None:
                return None
            found.update(reads)
    return frozenset(found)
