"""Arguments and variables: what the resolvers get, and what a client is told about wrong ones."""

import enum
from typing import Any, NewType

import pytest
import strawberry
from strawberry import relay
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig

from tests.executor.both import both


@strawberry.enum
class Color(enum.Enum):
    RED = "red"
    BLUE = 3


@strawberry.input
class Inner:
    tags: list[str] = strawberry.field(default_factory=lambda: ["one"])


@strawberry.input
class Box:
    width: int
    inner: Inner | None = None
    color: Color = Color.RED


@strawberry.input(one_of=True)
class Key:
    id: int | None = strawberry.UNSET
    name: str | None = strawberry.UNSET


@strawberry.type
class Query:
    @strawberry.field
    def plain(
        self,
        number: int = 3,
        text: str | None = "default",
        color: Color = Color.BLUE,
        flag: bool | None = None,
    ) -> str:
        return repr((number, text, color, flag))

    @strawberry.field
    def needed(self, text: str | None) -> str:
        return repr(text)

    @strawberry.field
    async def needed_later(self, text: str | None) -> str:
        return repr(text)

    @strawberry.field
    def unset(self, text: str | None = strawberry.UNSET) -> str:
        return repr(text)

    @strawberry.field
    def box(self, box: Box) -> str:
        box_before = repr(box)
        if box.inner:
            box.inner.tags.append("changed")
        return box_before

    @strawberry.field
    def numbers(self, numbers: list[int]) -> str:
        numbers.append(0)
        return repr(numbers)

    @strawberry.field
    def json(self, value: JSON) -> str:
        assert isinstance(value, list)
        value.append("changed")
        return repr(value)

    @strawberry.field
    def key(self, key: Key) -> str:
        return repr(key)

    @strawberry.field
    def maybe(self, text: strawberry.Maybe[str]) -> str:
        return repr(text)

    @strawberry.field
    def global_id(self, id: relay.GlobalID) -> str:
        return repr(id)

    @strawberry.field(name="renamed")  # type: ignore[untyped-decorator]
    def original(self, some_value: strawberry.ID, info: strawberry.Info) -> str:
        return f"{some_value} {info.field_name} {info.python_name} {info.path.as_list()}"

    @strawberry.field
    def again(self) -> list["Query"]:
        return [Query(), Query()]


schema = strawberry.Schema(Query)


@pytest.mark.parametrize(
    "text",
    [
        "{ plain }",
        '{ plain(number: 5, text: null, color: RED, flag: true) a: plain(text: "x") }',
        "{ needed neededLater again { needed neededLater } }",
        '{ needed(text: null) b: needed(text: "x") neededLater(text: "y") }',
        '{ unset a: unset(text: null) b: unset(text: "x") }',
        "{ box(box: {width: 1}) again { box(box: {width: 2, inner: {}, color: BLUE}) } }",
        "{ json(value: [1]) again { json(value: [{a: 2}]) } }",
        "{ numbers(numbers: [1, 2]) again { numbers(numbers: 7) } }",
        '{ key(key: {id: 1}) b: key(key: {name: "n"}) }',
        '{ maybe a: maybe(text: "x") }',
        '{ globalId(id: "RnJ1aXQ6MQ==") again { globalId(id: "nonsense") } }',
        '{ renamed(someValue: 7) a: renamed(someValue: "x") again { renamed(someValue: "y") } }',
    ],
)
def test_literal_arguments_reach_the_resolver_unchanged(text: str) -> None:
    both(schema, text)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"number": 5},
        {"number": None},
        {"number": "five"},
        {"number": 2**40, "text": 7, "color": "GREEN"},
        {"text": None, "color": "RED", "box": {"width": 1, "inner": {"tags": ["a"]}}},
        {"box": {"width": None}},
        {"box": {"height": 1}},
        {"box": {"width": 1, "color": None}},
        {"numbers": [1, None]},
        {"numbers": 3, "extra": "ignored"},
        {"key": {"id": 1, "name": "n"}},
        {"key": {}},
        {"key": {"id": None}},
        {"key": {"name": "n"}},
    ],
    ids=repr,
)
def test_variables_are_coerced_and_refused_alike(variables: dict[str, Any]) -> None:
    text = """query ($number: Int! = 1, $text: String, $color: Color! = BLUE, $box: Box! = {width: 9},
            $numbers: [Int!]! = [1], $key: Key! = {id: 5}) {
        plain(number: $number, text: $text, color: $color)
        needed(text: $text) neededLater(text: $text) unset(text: $text)
        box(box: $box) numbers(numbers: $numbers) key(key: $key)
        again { box(box: $box) numbers(numbers: $numbers) plain(text: $text) }
        inner: box(box: {width: $number, inner: {tags: [$text]}})
    }"""
    # a nullable variable may not stand where a list's item may not be null
    both(schema, text.replace("inner: box(box: {width: $number, inner: {tags: [$text]}})", ""), variables)


def test_a_nullable_variable_with_a_default_may_be_sent_as_null_for_a_required_argument() -> None:
    text = "query ($number: Int = 4) { plain(number: $number) again { plain(number: $number) } }"

    both(schema, text, {"number": None})
    both(schema, text, {})
    both(schema, text, {"number": 6})


def test_an_argument_of_skip_that_turns_out_null_is_left_to_graphql_core() -> None:
    text = "query ($flag: Boolean = true) { plain @skip(if: $flag) unset }"

    assert both(schema, text, {}).data == {"unset": "UNSET"}
    result = both(schema, text, {"flag": None}, allow_fallback=True)
    assert result.errors


class Incomparable:
    """A value as numpy's arrays are: to compare it says neither yes nor no."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("ambiguous")

    __hash__ = None  # type: ignore[assignment]


def test_a_variable_may_hold_what_can_not_be_compared() -> None:
    Odd = NewType("Odd", Incomparable)
    scalar = strawberry.scalar(name="Odd", parse_value=lambda _: Incomparable())

    def field(value: Any) -> str:
        return type(value).__name__

    field.__annotations__["value"] = Odd
    query = type("Query", (), {"field": strawberry.field(resolver=field)})
    schema = strawberry.Schema(strawberry.type(query), config=StrawberryConfig(scalar_map={Odd: scalar}))

    result = both(schema, "query ($value: Odd!) { field(value: $value) }", {"value": 1})

    assert result.data == {"field": "Incomparable"}
