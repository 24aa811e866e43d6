"""What a document may be: its limits, and how large it is, measured in one pass.

Every definition is walked once, whatever its fragments spread into: a definition's own numbers first, then
the sums over the fragments it reaches, each fragment once. To refuse a document costs what reading it costs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """The limits of one operation; the defaults are those a deployment starts with."""

    bytes: int = 65_536
    """UTF-8 bytes of the document."""
    tokens: int = 2_000
    depth: int = 12
    """Fields with a selection inside one another; introspection is left to the standard rule for it."""
    fields: int = 500
    """Fields with every fragment spread out; so are the next three."""
    fragments: int = 500
    """Spreads, and fragments written in place."""
    aliases: int = 30
    directives: int = 50
    comparisons: int = 10_000
    """See `schema.overlaps`."""
    cost: float = 1_000
    """See `schema.cost`."""
    page: int = 100
    """The largest `first` or `last`."""
    input_values: int = 10_000
    """Values in the variables that have a GraphQL type; what is inside a JSON scalar is not counted."""
    introspection: bool = True
    """Whether `__schema` and `__type` answer, and whether errors suggest names."""


@dataclass(slots=True)
class Size:
    """How large an operation is, with its fragments spread out."""

    depth: int = 0
    fields: int = 0
    fragments: int = 0
    aliases: int = 0
    directives: int = 0
    introspects: bool = False

    def add(self, other: Size, below: int | None) -> None:
        """Add a spread of `other` found `below` so many selections; None: where depth does not count."""
        if below is not None:
            self.depth = max(self.depth, below + other.depth)
        self.fields += other.fields
        self.fragments += other.fragments
        self.aliases += other.aliases
        self.directives += other.directives
        self.introspects |= other.introspects


@dataclass(slots=True)
class _Definition:
    """One definition on its own: its size without its spreads, and the spreads with their depth in it."""

    size: Size = field(default_factory=Size)
    spreads: list[tuple[str, int | None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Measured:
    """The sizes of a document's operations by name, "" for an anonymous one."""

    operations: dict[str, Size]
    circular: bool
    """Whether a fragment spreads itself, however indirectly."""


def measure(document: DocumentNode) -> Measured:
    """Return how large the document's operations are.

    Linear in the document. A fragment that is unknown counts nothing, and so does one that spreads itself
    where the circle closes; the validation rules name both. Counts that double with every fragment stay
    exact, because Python's integers have no end.
    """
    fragments = {
        definition.name.value: _walk(definition.selection_set, len(definition.directives or ()))
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    sizes, circular = _spread_out(fragments)
    operations: dict[str, Size] = {}
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            walked = _walk(definition.selection_set, len(definition.directives or ()))
            name = definition.name.value if definition.name else ""
            operations[name] = _total(walked, sizes)
    return Measured(operations, circular)


def _walk(selection_set: SelectionSetNode, directives: int) -> _Definition:
    """Walk one definition with a stack of our own, so that no nesting reaches Python's recursion limit."""
    walked = _Definition(Size(directives=directives))
    size = walked.size
    stack: list[tuple[SelectionSetNode, int | None]] = [(selection_set, 0)]
    while stack:
        selections, depth = stack.pop()
        for selection in selections.selections:
            size.directives += len(selection.directives or ())
            if isinstance(selection, FragmentSpreadNode):
                size.fragments += 1
                walked.spreads.append((selection.name.value, depth))
                continue
            if isinstance(selection, InlineFragmentNode):
                size.fragments += 1
                stack.append((selection.selection_set, depth))
                continue
            assert isinstance(selection, FieldNode)
            size.fields += 1
            size.aliases += selection.alias is not None
            below = None if depth is None else depth + 1
            if selection.name.value in ("__schema", "__type"):
                size.introspects, below = True, None
            if selection.selection_set:
                size.depth = max(size.depth, below or 0)
                stack.append((selection.selection_set, below))
    return walked


def _spread_out(fragments: dict[str, _Definition]) -> tuple[dict[str, Size], bool]:
    """Return each fragment's size with its own spreads added, and whether there is a circle.

    Depth first without recursion: a fragment is added up when all that it spreads has been.
    """
    sizes: dict[str, Size] = {}
    circular = False
    for root in fragments:
        path = [] if root in sizes else [(root, iter(fragments[root].spreads))]
        open_names = {root}
        while path:
            name, spreads = path[-1]
            following = next(
                (spread for spread, _ in spreads if spread in fragments and spread not in sizes), None
            )
            if following is None:
                path.pop()
                open_names.remove(name)
                sizes[name] = _total(fragments[name], sizes)
            elif following in open_names:
                circular = True
            else:
                path.append((following, iter(fragments[following].spreads)))
                open_names.add(following)
    return sizes, circular


def _total(definition: _Definition, sizes: dict[str, Size]) -> Size:
    total = definition.size
    for name, depth in definition.spreads:
        if name in sizes:
            total.add(sizes[name], depth)
    return total


def violations(size: Size, limits: DocumentLimits) -> list[str]:
    """Return one sentence for each limit that `size` exceeds, with both numbers."""
    measured = {
        "depth": (size.depth, limits.depth),
        "fields": (size.fields, limits.fields),
        "fragments": (size.fragments, limits.fragments),
        "aliases": (size.aliases, limits.aliases),
        "directives": (size.directives, limits.directives),
    }
    return [
        f"The operation has {_number(got)} {name}; the limit is {limit}."
        if name != "depth"
        else f"The operation is {got} levels deep; the limit is {limit}."
        for name, (got, limit) in measured.items()
        if got > limit
    ]


def _number(count: int) -> str:
    """Return the number, or that it is huge: printing 10^300 helps nobody."""
    return str(count) if count < 10**9 else "more than a billion"
