"""The enum and the input types of the random worlds."""

from __future__ import annotations

import enum

import strawberry


@strawberry.enum
class Color(enum.Enum):
    RED = "red"
    GREEN = "green"
    BLUE = 3


@strawberry.input
class Box:
    width: int = 2
    label: str | None = None
    tags: list[str] = strawberry.field(default_factory=lambda: ["plain"])


@strawberry.input(one_of=True)
class Choice:
    number: int | None = strawberry.UNSET
    word: str | None = strawberry.UNSET
