"""What travels on the bus and on to subscribers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of generated text. Sequences start at 1 and rise by 1."""

    sequence: int
    text: str
    logprob: float | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All text up to `sequence`, in place of the pieces that are not kept any more."""

    sequence: int
    text: str


@dataclass(frozen=True, slots=True)
class End:
    """The stream is over; nothing comes after it."""

    sequence: int
    shared: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
    """What those who come to it together find out for each other."""


StreamEvent = Piece | Snapshot | End
