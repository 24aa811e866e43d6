"""Properties that say what they read: a plan reads that itself, with what both executors give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import strawberry
from strawberry.types import Info

from executor import Reading, bound, install, keyed
from tests.executor.both import both

CALLS: Counter[str] = Counter()


def printed(age: int) -> str:
    if age < 0:
        raise ValueError("nobody is younger than nothing")
    return str(age)


def readable(**named: Reading) -> Any:
    """Makes fields of a class readings; Strawberry looks at the annotations alone."""

    def decorate(cls: type[Any]) -> type[Any]:
        for name, reading in named.items():
            setattr(cls, name, reading)
        return cls

    return decorate


def bind_boss(info: Info[Any, None]) -> Mapping[str, str] | None:
    CALLS["bind"] += 1
    return {"none": {}, "later": None}.get(info.context, {"ada": "Grace"})


@readable(
    name=Reading("row", "name"),
    age=Reading("row", "age", convert=printed),
    seen=Reading("row", "seen_ms", "seen", convert=str),
)
@strawberry.type
class Person:
    name: str
    age: str | None
    seen: str | None

    def __init__(self, **row: Any) -> None:
        self._row = SimpleNamespace(**row)

    @property
    def row(self) -> Any:
        CALLS["row"] += 1
        if self._row == SimpleNamespace():
            raise LookupError("no row")
        return self._row

    @strawberry.field
    @bound(keyed(Reading("row", "name"))(bind_boss))
    def boss(self, info: Info[Any, None]) -> str | None:
        CALLS["resolver"] += 1
        return ({} if info.context == "none" else {"ada": "Grace"})[self.row.name]


class Renamed(Person):
    name = property(lambda self: "somebody")


PEOPLE = [
    Person(name="ada", age=36, seen=1),
    Person(name="alan", age=-1, seen_ms=2, seen=1),
    Person(name="grace", age=85),
    Person(),
    Renamed(name="barbara", age=1, seen=3),
    SimpleNamespace(name="like one", age="7", seen="never", row=None, boss=None),
]


@strawberry.type
class Query:
    @strawberry.field
    def people(self) -> list[Person | None]:
        return PEOPLE  # type: ignore[return-value]

    @strawberry.field
    def ada(self) -> Person:
        return PEOPLE[0]  # type: ignore[return-value]


SCHEMA = strawberry.Schema(Query)


def test_readings_are_what_their_properties_are() -> None:
    answer = both(SCHEMA, "{ people { name age seen } }")

    assert answer.data is not None
    assert answer.data["people"] == [
        {"name": "ada", "age": "36", "seen": "1"},
        {"name": "alan", "age": None, "seen": "2"},
        {"name": "grace", "age": "85", "seen": None},
        None,
        {"name": "somebody", "age": "1", "seen": "3"},
        {"name": "like one", "age": "7", "seen": "never"},
    ]
    assert len(answer.errors or ()) == 3


def test_what_readings_read_is_read_once_for_each_object() -> None:
    compiled = install(SCHEMA)
    CALLS.clear()

    try:
        SCHEMA.execute_sync("{ ada { name age again: name } }")
    finally:
        compiled.uninstall()

    assert CALLS == {"row": 1}


@pytest.mark.parametrize("names", [("row", "a.b"), ("row", "class"), ("row()", "a"), ("row", "a", "b; c")])
def test_only_names_of_attributes_come_into_the_source(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="not all names"):
        Reading(*names)


def test_a_resolver_is_bound_to_a_mapping() -> None:
    CALLS.clear()

    answer = both(SCHEMA, "{ ada { name boss } }")

    assert answer.data == {"ada": {"name": "ada", "boss": "Grace"}}
    assert CALLS == {"bind": 1, "resolver": 1, "row": 1 + 2}  # the resolver by graphql-core


def test_what_a_mapping_does_not_have_is_the_error_of_the_object() -> None:
    answer = both(SCHEMA, "{ people { boss } }")

    assert len(answer.errors or ()) == 5


def test_a_mapping_may_be_empty() -> None:
    CALLS.clear()

    answer = both(SCHEMA, "{ ada { boss } }", context=lambda: "none")

    assert len(answer.errors or ()) == 1
    assert CALLS["resolver"] == 1  # by graphql-core


def test_a_resolver_that_is_bound_to_nothing_is_called() -> None:
    CALLS.clear()

    both(SCHEMA, "{ ada { boss } }", context=lambda: "later")

    assert CALLS == {"bind": 1, "resolver": 2, "row": 2 + 1}
