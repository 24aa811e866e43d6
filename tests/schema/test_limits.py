"""Document limits: what is measured, and that measuring is linear whatever the shape of the document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    build_schema,
    get_introspection_query,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st

from schema.documents import PreparedDocuments
from schema.limits import DocumentLimits, Size, measure
from schema.overlaps import VISITS, comparisons

SCHEMA = build_schema("type Query { a: Query b: Query c(n: [Int!]): Int d: Int }")
LIMITS = DocumentLimits()


def size(text: str) -> Size:
    (only,) = measure(parse(text)).operations.values()
    return only


def refusals(text: str, limits: DocumentLimits = LIMITS) -> list[str]:
    prepared = PreparedDocuments().prepare(text, limits.tokens)
    return [error.message for error in prepared.oversize(limits)]


def test_everything_is_counted_with_fragments_spread_out() -> None:
    measured = size(
        """
        query @x { a { ...F ... @x { b { ...F } } } }
        fragment F on Query @x { one: c @x d }
        """
    )

    assert measured == Size(depth=2, fields=6, fragments=3, aliases=2, directives=6)


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("{ c }", 0),
        ("{ a { c } }", 1),
        ("{ a { c } b { a { c } } }", 2),
        ("{ ... { ... { c } } }", 0),
        ("{ a { ...F } } fragment F on Query { b { c } }", 2),
        ("{ ...F a { b { ...F } } } fragment F on Query { b { c } }", 3),
        ("{ __schema { types { fields { type { ofType { name } } } } } }", 0),
        ("{ a { ...F } } fragment F on Query { __typename }", 1),
    ],
)
def test_depth_is_that_of_fields_inside_fields(text: str, depth: int) -> None:
    assert size(text).depth == depth


def test_each_operation_is_measured() -> None:
    measured = measure(parse("query A { c } query B { c d } { ...F } fragment F on Query { c c c }"))

    assert {name: one.fields for name, one in measured.operations.items()} == {"A": 1, "B": 2, "": 3}


@pytest.mark.parametrize(
    ("text", "circular"),
    [
        ("{ ...F } fragment F on Query { c }", False),
        ("{ ...F ...F } fragment F on Query { ...G } fragment G on Query { c }", False),
        ("{ ...F } fragment F on Query { ...F }", True),
        ("{ c } fragment F on Query { a { ...G } } fragment G on Query { ...F }", True),
        ("{ ...Unknown }", False),
    ],
)
def test_circles_are_found(text: str, circular: bool) -> None:
    assert measure(parse(text)).circular is circular


@pytest.mark.parametrize(
    ("limit", "inside", "outside"),
    [
        ("depth", "{ a { b { c } } }", "{ a { b { a { c } } } }"),
        ("fields", "{ c d }", "{ ...F c } fragment F on Query { c d }"),
        ("fragments", "{ ...F ...F } fragment F on Query { c }", "{ ... { ... { ... { c } } } }"),
        ("aliases", "{ x: c y: c }", "{ x: c ...F ...F } fragment F on Query { y: c }"),
        ("directives", "{ c @x d @x }", "{ ...F @x ...F } fragment F on Query { c @x }"),
    ],
)
def test_a_limit_is_reached_but_not_passed(limit: str, inside: str, outside: str) -> None:
    two: dict[str, Any] = {limit: 2}
    limits = replace(LIMITS, **two)

    assert refusals(inside, limits) == []
    (message,) = refusals(outside, limits)
    assert "limit is 2" in message
    assert "3" in message


def test_a_refusal_carries_its_code() -> None:
    prepared = PreparedDocuments().prepare("{ a { a { c } } }", 100)

    (error,) = prepared.oversize(replace(LIMITS, depth=1))

    assert error.extensions == {"code": "DOCUMENT_LIMIT_EXCEEDED"}


def test_the_largest_introspection_query_is_within_the_limits() -> None:
    text = get_introspection_query(
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
    )

    assert refusals(text) == []


# ──────────── shapes that multiply


def chain(levels: int, body: str, leaf: str = "c") -> str:
    """Fragments of which each has `body`, where NEXT is the one after it."""
    fragments = (f"fragment f{n} on Query{{{body.replace('NEXT', f'...f{n + 1}')}}}" for n in range(levels))
    return f"{' '.join(fragments)} fragment f{levels} on Query{{{leaf}}}"


BOMBS = {
    "doubling": "{...f0}" + chain(150, "NEXT NEXT"),
    "doubling into nothing": "{...f0}" + chain(150, "NEXT NEXT", ""),
    "doubling through fields": "{...f0}" + chain(100, "a{NEXT} b{NEXT}"),
    "doubling through aliases": "{...f0}" + chain(90, "x:a{NEXT} y:a{NEXT}"),
    "doubling in place": "{...f0}" + chain(100, "...{NEXT} ...{NEXT}"),
    "tripling": "{...f0}" + chain(120, "NEXT NEXT NEXT"),
    "each spreads all after it": "{...f0}"
    + "".join(
        f"fragment f{n} on Query{{{' '.join(f'...f{m}' for m in range(n + 1, 40))} c}}" for n in range(40)
    ),
    "a chain": "{...f0}" + chain(240, "NEXT"),
    "circles": "{...f0}"
    + "".join(f"fragment f{n} on Query{{...f{(n + 1) % 99} ...f{(n + 7) % 99}}}" for n in range(99)),
    "in place": "{" + "...{" * 180 + "c" + "}" * 181,
    "deep": "{" + "a{" * 190 + "c" + "}" * 191,
    "wide": "{" + "c " * 1900 + "}",
    "aliases": "{" + "".join(f"a{n}:c " for n in range(600)) + "}",
    "directives": "{c " + "@x " * 900 + "}",
    "one spread often": "{" + "...f " * 900 + "} fragment f on Query{a{b{c}}}",
    "many operations": "".join(f"query Q{n}{{...f0}}" for n in range(200)) + chain(60, "NEXT NEXT"),
    "not used": "{c}" + chain(150, "NEXT NEXT"),
}


class Counted(tuple[Any, ...]):
    """The selections of one selection set; tells how often they are walked."""

    visits = 0

    def __iter__(self) -> Iterator[Any]:
        for each in super().__iter__():
            Counted.visits += 1
            yield each


def counted(text: str) -> tuple[DocumentNode, int]:
    """The document with selections that count their visits, and how many selections it has."""
    document = parse(text)
    total = 0
    stack: list[Any] = list(document.definitions)
    while stack:
        inside = getattr(stack.pop(), "selection_set", None)
        if inside:
            total += len(inside.selections)
            stack.extend(inside.selections)
            object.__setattr__(inside, "selections", Counted(inside.selections))  # nodes are frozen
    Counted.visits = 0
    return document, total


@pytest.mark.parametrize("shape", BOMBS)
def test_measuring_visits_every_selection_once(shape: str) -> None:
    document, total = counted(BOMBS[shape])

    measure(document)

    assert Counted.visits == total


@pytest.mark.parametrize("shape", BOMBS)
def test_comparing_ends_however_much_there_is_to_compare(shape: str) -> None:
    document, total = counted(BOMBS[shape])
    if measure(document).circular:
        return  # is refused before

    comparisons(document)

    assert Counted.visits <= VISITS + 2 * total


@pytest.mark.parametrize("shape", sorted(BOMBS.keys() - {"not used", "a chain", "in place", "circles"}))
def test_bombs_are_refused_before_they_are_validated(shape: str) -> None:
    assert refusals(BOMBS[shape])


def test_a_circle_is_told_as_such() -> None:
    prepared = PreparedDocuments().prepare(BOMBS["circles"], LIMITS.tokens)

    messages = [error.message for error in prepared.verdict(SCHEMA, LIMITS)]

    assert "within itself" in messages[0]


@pytest.mark.parametrize(
    "text",
    [
        "{" + "a { c } " * 240 + "}",
        "{" + "c " * 490 + "}",
        "{" + "a { a { a { c } } } " * 100 + "}",
        "{ c } fragment NotUsed on Query {" + "a { c } " * 240 + "}",
    ],
)
def test_fields_that_take_long_to_merge_are_refused(text: str) -> None:
    assert refusals(text) == ["The document repeats its fields too often; select each once."]


def test_fragments_that_repeat_a_few_fields_are_fine() -> None:
    spreads = " ".join(f"...f{n}" for n in range(40))
    fragments = " ".join(f"fragment f{n} on Query {{ c d a {{ c d }} }}" for n in range(40))

    assert refusals(f"{{ {spreads} }} {fragments}") == []


@pytest.mark.parametrize("count", [0, 1, 2, 10, 100])
def test_comparisons_are_the_pairs_of_fields_in_one_place(count: int) -> None:
    same = comparisons(parse("{ c " + "a { d } " * count + "}"))

    assert same == count * (count - 1)  # as many of `a` as of `d` inside of them


# ──────────── against the definition, on generated documents


def selections(later: list[str]) -> st.SearchStrategy[str]:
    leaves = ["c", "x: c", "d @x", "__typename", *(f"...{name}" for name in later)]
    heads = st.sampled_from(["a", "y: b", "... @x", "...", "__schema"])
    return st.recursive(
        st.sampled_from(leaves),
        lambda inner: st.builds(
            lambda head, body: f"{head} {{ {' '.join(body)} }}",
            heads,
            st.lists(inner, min_size=1, max_size=3),
        ),
        max_leaves=6,
    )


def documents() -> st.SearchStrategy[str]:
    """Documents with a few fragments that spread those after them, in fields and in place."""
    names = ["F", "G", "H"]
    bodies = [st.lists(selections(names[n:]), min_size=1, max_size=4).map(" ".join) for n in range(4)]
    return st.tuples(*bodies).map(lambda parts: document(dict(zip(["", *names], parts, strict=True))))


def document(parts: dict[str, str]) -> str:
    heads = {name: f"fragment {name} on Query" if name else "" for name in parts}
    return " ".join(f"{heads[name]} {{ {body} }}" for name, body in parts.items())


def expanded(document: DocumentNode) -> Size:
    """The size by its definition: walk everything, as often as it is spread."""
    fragments = {
        node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
    }
    total = Size()

    def walk(node: SelectionSetNode, depth: int | None) -> None:
        for selection in node.selections:
            total.directives += len(selection.directives or ())
            if isinstance(selection, FragmentSpreadNode):
                total.fragments += 1
                walk(fragments[selection.name.value].selection_set, depth)
                continue
            below = depth
            assert isinstance(selection, FieldNode | InlineFragmentNode)
            if isinstance(selection, FieldNode):
                total.fields += 1
                total.aliases += selection.alias is not None
                if selection.name.value == "__schema":
                    total.introspects, below = True, None
                elif depth is not None:
                    below = depth + 1
            else:
                total.fragments += 1
            if selection.selection_set:
                if isinstance(selection, FieldNode):
                    total.depth = max(total.depth, below or 0)
                walk(selection.selection_set, below)

    operation = next(node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    walk(operation.selection_set, 0)
    return total


@given(documents())
def test_measuring_agrees_with_spreading_everything_out(text: str) -> None:
    document = parse(text)

    (measured,) = measure(document).operations.values()

    assert measured == expanded(document)
