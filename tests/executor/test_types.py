"""Kinds of types and values that Strawberry knows, completed by both executors."""

import datetime
import decimal
import enum
import math
import uuid
from collections.abc import Iterator
from typing import Annotated, Any, NewType, TypeVar

import pytest
import strawberry
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig
from strawberry.types.cast import cast as strawberry_cast

from tests.executor.both import both

T = TypeVar("T")


@strawberry.enum
class Level(enum.Enum):
    LOW = 1
    HIGH = strawberry.enum_value("high", deprecation_reason="too high")


@strawberry.enum
class Twin(enum.Enum):
    ONE = "same"
    OTHER = "same"  # noqa: PIE796 - an alias, which is allowed


class Row:
    """What a database returns: no Strawberry class."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


def _schema(annotation: Any, value: Any, **options: Any) -> strawberry.Schema:
    """A query with one field of the type, which yields the value."""

    def field() -> Any:
        return value() if callable(value) else value

    field.__annotations__["return"] = annotation
    query = strawberry.type(type("Query", (), {"field": strawberry.field(field)}))
    return strawberry.Schema(query, **options)


@pytest.mark.parametrize("annotation", [int, float, str, bool, strawberry.ID])
@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1,
        2**31 - 1,
        2**31,
        -(2**31) - 1,
        10**400,
        1.5,
        2.0,
        math.nan,
        math.inf,
        -math.inf,
        "",
        "12",
        "1.5",
        "text",
        b"bytes",
        [],
        {},
        decimal.Decimal("1.25"),
        uuid.UUID(int=1),
        Level.LOW,
        ValueError("an error as a value"),
    ],
    ids=repr,
)
def test_built_in_scalars_take_and_refuse_the_same_values(annotation: Any, value: Any) -> None:
    both(_schema(annotation, value), "{ field }")
    both(_schema(annotation | None, value), "{ field }")
    both(_schema(list[annotation | None], [value, value]), "{ field }")
    both(_schema(list[annotation], [value, 1]), "{ field }")


@pytest.mark.parametrize("value", [Level.LOW, Level.HIGH, 1, "high", "LOW", Twin.ONE, None, object, []])
def test_enums_take_and_refuse_the_same_values(value: Any) -> None:
    both(_schema(Level, lambda: value), "{ field }")
    both(_schema(list[Level | None], lambda: [value, Level.LOW]), "{ field }")


def test_members_with_equal_values_are_one() -> None:
    assert both(_schema(Twin, Twin.OTHER), "{ field }").data == {"field": "ONE"}


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (datetime.datetime, datetime.datetime(2024, 1, 2, 3, tzinfo=datetime.UTC)),
        (datetime.date, datetime.date(2024, 1, 2)),
        (datetime.time, datetime.time(3, 4)),
        (datetime.date, "no date"),
        (decimal.Decimal, decimal.Decimal("1.10")),
        (uuid.UUID, uuid.UUID(int=7)),
        (JSON, {"a": [1, {"b": None}]}),
        (JSON | None, None),
        (None, 5),
    ],
)
def test_scalars_of_strawberry_are_written_as_it_writes_them(annotation: Any, value: Any) -> None:
    both(_schema(annotation, value), "{ field }")


@pytest.mark.parametrize("serialized", [None, "text", 7])
def test_a_custom_scalar_that_serializes_to_nothing_is_an_error(serialized: Any) -> None:
    Odd = NewType("Odd", str)
    calls: list[Any] = []

    def serialize(value: Any) -> Any:
        calls.append(value)
        return serialized

    config = StrawberryConfig(scalar_map={Odd: strawberry.scalar(name="Odd", serialize=serialize)})

    result = both(_schema(Odd, "in", config=config), "{ field }")

    assert (result.data is None) is (serialized is None)
    assert calls == ["in", "in"]  # once for each executor


def test_lists_come_from_any_iterable_but_not_from_strings_and_mappings() -> None:
    def generated() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("broken")

    for value in [(), (1, 2), {3}, range(3), "12", {"a": 1}, b"12", 7, None, Level.LOW]:
        both(_schema(list[int] | None, lambda value=value: value), "{ field }")
    both(_schema(list[int] | None, lambda: iter([1, None])), "{ field }")
    both(_schema(list[int] | None, lambda: generated()), "{ field }")


def test_lists_of_lists_keep_nulls_and_errors_where_they_stand() -> None:
    value = [[1, 2], None, [3, "x"], [None]]

    result = both(_schema(list[list[int | None] | None], value), "{ field }")

    assert result.data == {"field": [[1, 2], None, [3, None], [None]]}
    assert [error.path for error in result.errors or ()] == [["field", 2, 1]]
    both(_schema(list[list[int] | None], value), "{ field }")
    both(_schema(list[list[int]] | None, value), "{ field }")


def test_a_hundred_thousand_floats_are_copied_and_one_nan_is_found() -> None:
    numbers = [index / 7 for index in range(100_000)]

    assert both(_schema(list[float], numbers), "{ field }").data == {"field": numbers}
    numbers[70_000] = math.nan
    result = both(_schema(list[float], numbers), "{ field }")
    assert [error.path for error in result.errors or ()] == [["field", 70_000]]


def test_floats_whose_sum_is_too_large_are_still_floats() -> None:
    numbers = [1.7e308, 1.7e308]

    assert both(_schema(list[float], numbers), "{ field }").data == {"field": numbers}


@strawberry.type
class Item:
    name: str
    count: int | None = None


def test_rows_and_other_objects_are_read_like_instances() -> None:
    rows = [Row(name="a", count=1), Item(name="b"), Row(name="c"), Row(count=2), None, ValueError("row")]

    result = both(_schema(list[Item | None], lambda: rows), "{ field { name count } }")

    assert result.data is not None
    assert [row and row["name"] for row in result.data["field"]] == ["a", "b", "c", None, None, None]


def test_a_default_resolver_of_the_schema_reads_dicts() -> None:
    config = StrawberryConfig(default_resolver=lambda source, name: source[name])
    schema = _schema(list[Item | None], [{"name": "a", "count": 1}, {"count": 1}], config=config)

    result = both(schema, "{ field { name count } }")

    assert result.data == {"field": [{"name": "a", "count": 1}, None]}


@strawberry.interface
class Named:
    name: str


@strawberry.type
class Cat(Named):
    lives: int = 9


@strawberry.type
class Dog(Named):
    good: bool = True

    @classmethod
    def is_type_of(cls, obj: Any, info: Any) -> bool:
        return isinstance(obj, cls) or getattr(obj, "barks", False)


Pet = Annotated[Cat | Dog, strawberry.union("Pet")]

PETS = "{ field { __typename ... on Named { name } ... on Cat { lives } ... on Dog { good } } }"


@pytest.mark.parametrize("annotation", [Named, Pet])
def test_interfaces_and_unions_find_the_type_of_each_object(annotation: Any) -> None:
    def pets() -> list[Any]:
        cast = strawberry_cast(Cat, Row(name="cast", lives=1))
        barking = Row(name="row", barks=True, good=False)
        return [Cat(name="a"), Dog(name="b"), Cat(name="c"), barking, cast, Item(name="x"), 7, None]

    result = both(_schema(list[annotation | None], pets, types=[Cat, Dog]), PETS)

    assert result.data is not None
    assert [pet and pet["__typename"] for pet in result.data["field"]][:5] == [
        "Cat",
        "Dog",
        "Cat",
        "Dog",
        "Cat",
    ]


def test_one_class_may_be_cast_differently_each_time() -> None:
    def pets() -> list[Any]:
        return [Cat(name="own"), strawberry_cast(Dog, Cat(name="cast")), Cat(name="own again")]

    both(_schema(list[Pet | None], pets), PETS)
    both(_schema(list[Named | None], pets, types=[Cat, Dog]), PETS)
    both(_schema(list[Cat | None], pets), "{ field { name } }")


@pytest.mark.parametrize("answer", ["Cat", "Nobody", "Query", "String", None, 7, ValueError])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_resolve_type_of_its_own_may_answer_anything_and_later(answer: Any, is_async: bool) -> None:
    def decide() -> Any:
        if answer is ValueError:
            raise ValueError("undecided")
        return answer

    @strawberry.interface
    class Thing:
        name: str

        @classmethod
        def resolve_type(cls, obj: Any, info: Any, type_: Any) -> Any:
            async def later() -> Any:
                return decide()

            return later() if is_async else decide()

    @strawberry.type(name="Cat")
    class Kitten(Thing):
        pass

    things = lambda: [Row(name="a"), Kitten(name="b")]  # noqa: E731

    both(_schema(list[Thing | None], things, types=[Kitten]), "{ field { __typename name } }")


@pytest.mark.parametrize("answer", [True, False])
def test_an_is_type_of_may_answer_later(answer: bool) -> None:
    @strawberry.type
    class Checked:
        name: str

        @classmethod
        async def is_type_of(cls, obj: Any, info: Any) -> bool:
            return answer

    result = both(
        _schema(list[Checked | None], lambda: [Checked(name="a"), Checked(name="b")]), "{ field { name } }"
    )

    assert (result.errors is None) is answer


def test_a_field_that_is_named_like_python_or_not_like_python_is_read() -> None:
    schema = _schema(
        strawberry.type(
            type(
                "Odd",
                (),
                {"__annotations__": {"class_": int, "größe": int}, "größe": strawberry.field(name="size")},
            )
        ),
        lambda: Row(class_=1, größe=2),
    )

    assert both(schema, "{ field { class_ size } }").data == {"field": {"class_": 1, "size": 2}}


def test_a_sorted_schema_is_executed_like_any_other() -> None:
    @strawberry.type
    class Query:
        zebra: int = 1
        apple: str = "apple"

        @strawberry.field
        def items(self) -> list[Item]:
            return [Item(name="a"), Item(name="b")]

    schema = strawberry.Schema(Query, config=StrawberryConfig(sort_schema=True))
    text = "{ zebra apple items { __typename name ... on Item { count } } }"

    result = both(schema, text, root=Query())

    assert result.data is not None
    assert list(result.data) == ["zebra", "apple", "items"]


def test_entities_of_a_federated_schema_are_resolved() -> None:
    @strawberry.federation.type(keys=["id"])
    class Product:
        id: strawberry.ID
        name: str = "product"

        @classmethod
        def resolve_reference(cls, id: strawberry.ID) -> "Product":
            if id == "broken":
                raise ValueError("no such product")
            return Product(id=id)

    @strawberry.type
    class Query:
        number: int = 1

    schema = strawberry.federation.Schema(Query, types=[Product])
    text = """query ($products: [_Any!]!) {
        _service { sdl }
        _entities(representations: $products) { __typename ... on Product { id name } }
    }"""
    products = [{"__typename": "Product", "id": name} for name in ("a", "broken", "b")]

    result = both(schema, text, {"products": products})

    assert [error.path for error in result.errors or ()] == [["_entities", 1]]
