"""What has changed since a release that a client could notice: no change may break one that works.

Something can be removed once it was deprecated in a release, and the date in its deprecation has come.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date
from typing import Any

from graphql import (
    REMOVE,
    BreakingChange,
    DangerousChange,
    DirectiveNode,
    DocumentNode,
    GraphQLObjectType,
    GraphQLSchema,
    Node,
    StringValueNode,
    TypeDefinitionNode,
    Visitor,
    build_ast_schema,
    find_breaking_changes,
    find_dangerous_changes,
    parse,
    visit,
)

REMOVAL = re.compile(r"Removal on (\d{4}-\d{2}-\d{2}) UTC\.$")
"""How the reason of a deprecation ends."""

DEPRECABLE = ("enum_value_definition", "field_definition", "input_value_definition")


def breaking_changes(released: str, current: str, today: date) -> list[str]:
    """Returns a sentence for each change that breaks clients, but for removals that are announced and due.

    `released` and `current` are schemas in their definition language.
    """
    old, new = _compared(released, current, today)
    return _sentences(find_breaking_changes(old, new))


def dangerous_changes(released: str, current: str, today: date, accepted: Collection[str] = ()) -> list[str]:
    """Returns a sentence for each change that some clients may not expect, but for those accepted.

    Such are a new value of an enum, and a new default.
    """
    old, new = _compared(released, current, today)
    found = _sentences(find_dangerous_changes(old, new))
    return [sentence for sentence in found if sentence not in accepted]


def removal_date(reason: str) -> date | None:
    """Returns when what is deprecated for this reason may be removed; None if the reason does not say it."""
    found = REMOVAL.search(reason)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def _sentences(changes: Collection[BreakingChange] | Collection[DangerousChange]) -> list[str]:
    return sorted(change.description for change in changes)


def _compared(released: str, current: str, today: date) -> tuple[GraphQLSchema, GraphQLSchema]:
    """Returns both schemas, the first without what was rightly removed since."""
    new = parse(current)
    old = visit(parse(released), _DueRemovals(_coordinates(new), today))
    built = build_ast_schema(new)
    return build_ast_schema(_without_unreachable(old, set(built.type_map))), built


def _without_unreachable(document: DocumentNode, kept: set[str]) -> DocumentNode:
    """Leaves out the types that nothing leads to any more, but for those to keep."""
    stays = kept | _reached(build_ast_schema(document))
    definitions = [
        node
        for node in document.definitions
        if not isinstance(node, TypeDefinitionNode) or node.name.value in stays
    ]
    return DocumentNode(definitions=tuple(definitions))


def _reached(whole: GraphQLSchema) -> set[str]:
    """Returns the names of the types that the roots lead to, what implements an interface among them."""
    roots = (whole.query_type, whole.mutation_type, whole.subscription_type)
    implementers: list[GraphQLObjectType] = []
    while True:
        found = GraphQLSchema(*roots, types=implementers).type_map
        more = [
            each
            for each in whole.type_map.values()
            if isinstance(each, GraphQLObjectType) and any(of.name in found for of in each.interfaces)
        ]
        if len(more) == len(implementers):
            return set(found)
        implementers = more


def _coordinates(document: DocumentNode) -> set[str]:
    found = _Coordinates()
    visit(document, found)
    return found.seen


def _coordinate(node: Any, ancestors: list[Any]) -> str:
    """Returns `Type.field.argument`."""
    named = [each for each in ancestors if isinstance(each, Node) and hasattr(each, "name")]
    return ".".join(each.name.value for each in [*named, node])


class _Coordinates(Visitor):
    """Collects all that can be deprecated."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def enter(self, node: Node, _: Any, __: Any, ___: Any, ancestors: list[Any]) -> None:
        """Notes one."""
        if node.kind in DEPRECABLE:
            self.seen.add(_coordinate(node, ancestors))


class _DueRemovals(Visitor):
    """Leaves out what is not in the new schema, and was to be removed by today."""

    def __init__(self, present: set[str], today: date) -> None:
        super().__init__()
        self._present = present
        self._today = today

    def enter(self, node: Node, _: Any, __: Any, ___: Any, ancestors: list[Any]) -> Any:
        """Removes it if it is due."""
        if node.kind not in DEPRECABLE or _coordinate(node, ancestors) in self._present:
            return None
        due = removal_date(_reason(node))
        return REMOVE if due is not None and due <= self._today else None


def _reason(node: Any) -> str:
    directives: tuple[DirectiveNode, ...] = node.directives or ()
    for directive in directives:
        if directive.name.value == "deprecated":
            for argument in directive.arguments or ():
                if isinstance(argument.value, StringValueNode):
                    return argument.value.value
    return ""
