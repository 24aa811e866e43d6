"""What the fields of a random world yield: values, and every kind of failure that a resolver can produce."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable, Iterator
from random import Random
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError

from tests.executor.conductor import Later
from tests.executor.inputs import Color

if TYPE_CHECKING:
    from tests.executor.world import Ref, Run


class Opaque:
    """No scalar knows it."""

    def __repr__(self) -> str:
        return "opaque"


SURPRISES: tuple[Callable[[], Any], ...] = (
    lambda: Opaque(),
    lambda: "text",
    lambda: "12",
    lambda: 7,
    lambda: True,
    lambda: 2**40,
    lambda: 1.5,
    lambda: 3.0,
    lambda: float("nan"),
    lambda: float("inf"),
    lambda: {"a": 1},
    lambda: [1, None],
    lambda: (),
    lambda: b"bytes",
    lambda: decimal.Decimal("2.50"),
    lambda: ValueError("returned, not raised"),
)


class Outcomes:
    """Decides by name, from a seed and a failure rate in percent, with the object classes of the schema."""

    def __init__(
        self, seed: int, failures: int, classes: dict[str, Any], possible: dict[str, list[str]]
    ) -> None:
        self._seed = seed
        self._failures = failures
        self._classes = classes
        self._possible = possible

    def fails(self, name: str) -> bool:
        return self._random(name).randrange(100) < self._failures

    def perhaps_fail(self, name: str) -> None:
        if self.fails(name):
            raise RuntimeError(f"failed: {name}")

    def is_immediate(self, name: str) -> bool:
        """Whether an async resolver returns without awaiting anything."""
        return self._random(f"immediate {name}").randrange(4) == 0

    def of_field(self, name: str, ref: Ref, run: Run) -> Any:
        """What a resolver returns. Raises if that is the outcome."""
        random = self._random(name)
        if random.randrange(100) < self._failures:
            if random.randrange(2):
                raise RuntimeError(f"raised by {name}")
            raise GraphQLError(f"refused by {name}", extensions={"code": random.choice(["A", "B"])})
        return self._value(name, ref, run, random)

    def _value(self, name: str, ref: Ref, run: Run, random: Random) -> Any:
        dice = random.randrange(100)
        if dice < self._failures // 2:
            return None
        if dice < self._failures:
            return random.choice(SURPRISES)()
        if ref.nullable and dice > 90:
            return None
        if ref.item is not None:
            return self._list(name, ref.item, run, random)
        leaf = _LEAVES.get(ref.name)
        return leaf(random) if leaf else self._object(name, ref.name, run, random)

    def _list(self, name: str, item: Ref, run: Run, random: Random) -> Any:
        values = [self._item(f"{name}[{index}]", item, run, random) for index in range(random.randrange(4))]
        kind = random.randrange(8)
        if kind == 0:
            return tuple(values)
        if kind == 1:
            return self._iterated(name, values)
        return values

    def _iterated(self, name: str, values: list[Any]) -> Iterator[Any]:
        for index, value in enumerate(values):
            self.perhaps_fail(f"iterating {name}[{index}]")
            yield value

    def _item(self, name: str, ref: Ref, run: Run, random: Random) -> Any:
        value = self._value(name, ref, run, random)
        return Later(run.conductor, name, value) if random.randrange(10) == 0 else value

    def _object(self, name: str, type_: str, run: Run, random: Random) -> Any:
        possible = self._possible.get(type_) or [type_]
        if random.randrange(100) < self._failures // 3:
            possible = [each for each in self._classes if each.startswith("Object")]
        class_ = self._classes[random.choice(possible)]
        made = class_.__new__(class_)
        made.__dict__.update(run=run, oid=name)
        return made

    def _random(self, name: str) -> Random:
        return Random(f"{self._seed} {name}")


_LEAVES: dict[str, Callable[[Random], Any]] = {
    "Int": lambda random: random.choice([0, 7, -(2**31), 2**31 - 1]),
    "Float": lambda random: random.choice([0.0, 1.5, -2.25, 3, 1e300]),
    "String": lambda random: random.choice(["", "text", "\u2028\"'\\", "7"]),
    "Boolean": lambda random: random.choice([True, False]),
    "ID": lambda random: random.choice(["a", "7", 7]),
    "Color": lambda random: random.choice([*Color, "red"]),
    "DateTime": lambda random: datetime.datetime(2024, 1, random.randrange(1, 28), tzinfo=datetime.UTC),
    "Decimal": lambda random: decimal.Decimal(random.randrange(1000)) / 8,
    "JSON": lambda random: random.choice([{"a": [1, None]}, [], "text", 0, False]),
}
