"""Input values: coerced as graphql-core does, and made into objects as Strawberry does."""

from __future__ import annotations

import enum
from copy import deepcopy
from dataclasses import field
from typing import Annotated, Any, Generic, TypeVar

import pytest
import strawberry
from graphql import GraphQLInputType, Undefined, assert_input_type, coerce_input_value, parse
from hypothesis import given
from hypothesis import strategies as st
from strawberry.exceptions import StrawberryGraphQLError
from strawberry.scalars import JSON

from executor import Prepared, install
from executor.inputs import Coerce, coercer
from executor.plan import Call, Resolve
from executor.refusal import Refused
from tests.executor.both import both

T = TypeVar("T")


@strawberry.enum
class Color(enum.Enum):
    RED = "red"
    BLUE = 3


@strawberry.input
class Leaf:
    number: int
    some_text: str | None = "text"
    colors: list[Color] = field(default_factory=lambda: [Color.BLUE])


@strawberry.input
class Picky:
    number: int = 1

    def __post_init__(self) -> None:
        if self.number > 3:
            raise ValueError("more than three")


@strawberry.input
class Pair(Generic[T]):
    first: T
    second: T | None


@strawberry.input(one_of=True)
class Choice:
    leaf: strawberry.Maybe[Leaf]
    text: strawberry.Maybe[str]


@strawberry.input
class Tree:
    name: str
    children: list[Tree] | None = None


@strawberry.input
class Everything:
    leaf: Leaf
    needed: int | None
    rows: list[list[Leaf | None]] | None = None
    maybe: strawberry.Maybe[int]
    maybe_null: strawberry.Maybe[int | None]
    choice: Choice | None = strawberry.UNSET
    lazy: Annotated[Leaf, strawberry.lazy("tests.executor.test_inputs")] | None = None
    pair: Pair[int] | None = None
    pairs: Pair[Leaf] | None = None
    picky: Picky | None = None
    anything: JSON | None = None
    given_name: float = strawberry.field(default=0.5, name="called")


@strawberry.type
class Query:
    @strawberry.field
    def now(self, value: Everything, number: int = 3) -> str:
        return repr((value, number))

    @strawberry.field
    async def later(self, value: Everything) -> str | None:
        return repr(value)

    @strawberry.field
    def several(self, values: list[Everything] | None = None) -> str | None:
        return repr(values)

    @strawberry.field
    def maybe(self, value: strawberry.Maybe[Leaf]) -> str:
        return repr(value)

    @strawberry.field
    def tree(self, tree: Tree) -> str:
        return repr(tree)

    @strawberry.field
    def again(self) -> list[Query]:
        return [Query(), Query()]


schema = strawberry.Schema(Query)

LEAF: dict[str, Any] = {"number": 1, "colors": ["RED", "BLUE"]}
VALUE: dict[str, Any] = {"leaf": LEAF, "needed": 1}

DOCUMENT = """query ($value: Everything!, $values: [Everything!], $leaf: Leaf) {
    now(value: $value) later(value: $value) several(values: $values) maybe(value: $leaf)
    again { now(value: $value, number: 4) later(value: $value) }
}"""


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"needed": None},
        {"leaf": {"number": "one"}},
        {"leaf": {"number": 1, "someText": None, "colors": "RED"}},
        {"leaf": {"number": 1, "colors": None}},
        {"leaf": None},
        {"leaf": [LEAF]},
        {"rows": [[LEAF, None], []]},
        {"rows": [[{"number": None}]]},
        {"rows": LEAF},
        {"maybe": 3, "maybeNull": 4},
        {"maybe": None},
        {"maybeNull": None},
        {"choice": {"leaf": LEAF}},
        {"choice": {"text": "t"}},
        {"choice": {"text": "t", "leaf": LEAF}},
        {"choice": {"text": None}},
        {"choice": {}},
        {"choice": None},
        {"lazy": LEAF, "pair": {"first": 1}, "pairs": {"first": LEAF, "second": None}},
        {"picky": {"number": 3}},
        {"picky": {"number": 4}},
        {"anything": {"a": [1, None]}, "called": 1},
        {"unknown": 1},
    ],
    ids=repr,
)
def test_an_input_object_is_what_it_was(value: dict[str, Any]) -> None:
    whole = {**VALUE, **value}

    both(schema, DOCUMENT, {"value": whole})
    both(schema, DOCUMENT, {"value": VALUE, "values": [whole, VALUE], "leaf": LEAF})


def test_what_is_left_out_is_what_it_was() -> None:
    both(schema, DOCUMENT, {"value": {"leaf": LEAF}})
    both(schema, DOCUMENT, {})
    both(schema, "query ($leaf: Leaf = {number: 2}) { maybe(value: $leaf) }", {})
    both(schema, "query ($leaf: Leaf) { maybe(value: $leaf) }", {"leaf": None})
    both(schema, "{ several a: several(values: []) b: several(values: null) }")


def test_literals_with_variables_in_them_are_what_they_were() -> None:
    text = "query ($n: Int!, $c: Color!) { now(value: {leaf: {number: $n, colors: [$c]}, needed: null}) }"

    both(schema, text, {"n": 2, "c": "RED"})


def test_a_type_that_contains_itself_is_left_to_strawberry() -> None:
    tree = {"name": "a", "children": [{"name": "b", "children": [{"name": "c"}]}]}

    both(schema, "query ($tree: Tree!) { tree(tree: $tree) }", {"tree": tree})
    both(schema, "query ($tree: Tree!) { tree(tree: $tree) }", {"tree": {"name": "a", "children": [{}]}})
    with pytest.raises(Refused):
        coercer(_input_type("Tree"))


def test_the_conversion_is_part_of_the_plan_where_it_is_known() -> None:
    compiled = install(schema)
    try:
        document = parse("query ($value: Everything!) { now(value: $value) tree(tree: {name: 1}) }")
        prepared = compiled.prepare(document, None, {"value": VALUE})
    finally:
        compiled.uninstall()

    assert isinstance(prepared, Prepared)
    now, tree = (site.source for site in prepared.plan.sites)
    assert isinstance(now, Call)
    assert now.convert is not None
    assert isinstance(tree, Resolve)


values = st.recursive(
    st.none() | st.integers(-2, 5) | st.sampled_from(["RED", "BLUE", "x"]) | st.booleans() | st.floats(0, 1),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["leaf", "needed", "number", "colors", "someText", "rows", "choice", "text", "first", "pair"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(["Everything", "Leaf", "Choice", "IntPair", "Color", "Int"]), values)
def test_any_value_is_coerced_as_graphql_core_does(name: str, value: Any) -> None:
    type_ = _input_type(name)

    assert _outcome(coercer(type_), value) == _outcome(lambda given: coerce_input_value(given, type_), value)


@given(st.fixed_dictionaries({"leaf": values, "needed": values}, optional={"rows": values, "choice": values}))
def test_nearly_right_values_are_coerced_as_graphql_core_does(value: Any) -> None:
    type_ = _input_type("Everything")

    assert _outcome(coercer(type_), value) == _outcome(lambda given: coerce_input_value(given, type_), value)


def _input_type(name: str) -> GraphQLInputType:
    return assert_input_type(schema._schema.get_type(name))


def _outcome(coerce: Coerce, value: Any) -> str:
    try:
        coerced = coerce(deepcopy(value))
    except StrawberryGraphQLError as error:  # what Strawberry adds to @oneOf
        return f"raised {error}"
    return "undefined" if coerced is Undefined else repr(coerced)
