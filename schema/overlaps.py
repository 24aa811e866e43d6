"""How often the fields of a document have to be compared with each other before they can be merged.

Fields of one name in one place are merged, so validation compares each with each: 240 times `item { name }`
is 57,360 comparisons and 0.3 s. Documents as clients write them need a few dozen.
"""

from __future__ import annotations

from math import inf

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

VISITS = 10_000
"""Selections that are visited, fragments spread out, before a document counts as having too many."""


def comparisons(document: DocumentNode) -> float:
    """Return the number of pairs of fields that share a name and a place; infinity when that takes too long.

    Fragments are counted by themselves too, because validation looks into them even where nothing spreads
    them. They must not go round in circles.
    """
    merged = _Merged(document)
    pairs = 0.0
    for definition in document.definitions:
        if isinstance(definition, (OperationDefinitionNode, FragmentDefinitionNode)) and pairs < inf:
            pairs += merged.count(definition.selection_set)
    return pairs


class _Merged:
    def __init__(self, document: DocumentNode) -> None:
        self.visits = 0
        self.fragments = {
            definition.name.value: definition.selection_set
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }

    def count(self, root: SelectionSetNode) -> float:
        pairs = 0
        places = [[root]]
        while places:
            for fields in self.by_name(places.pop()).values():
                pairs += len(fields) * (len(fields) - 1) // 2
                inside = [field.selection_set for field in fields if field.selection_set]
                if inside:
                    places.append(inside)
            if self.visits > VISITS:
                return inf
        return pairs

    def by_name(self, place: list[SelectionSetNode]) -> dict[str, list[FieldNode]]:
        """Return the fields of selection sets that are merged, by the name they have in the response."""
        fields: dict[str, list[FieldNode]] = {}
        spread: set[str] = set()
        stack = list(place)
        while stack:
            for selection in stack.pop().selections:
                self.visits += 1
                if isinstance(selection, FieldNode):
                    name = selection.alias or selection.name
                    fields.setdefault(name.value, []).append(selection)
                elif isinstance(selection, InlineFragmentNode):
                    stack.append(selection.selection_set)
                elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in spread:
                    spread.add(selection.name.value)
                    if selection.name.value in self.fragments:
                        stack.append(self.fragments[selection.name.value])
        return fields
