"""Buckets: where it is kept how much of each limit is left.

A token bucket starts full and is refilled all the time, so that a caller who was quiet may ask for a
whole minute's worth at once, and never for more (https://en.wikipedia.org/wiki/Token_bucket). What
limits concurrency has places instead, which are held until they are given back, or their lease ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from engine.standing import LimitScope, RateLimitKind

MINUTE = 60.0


class Payer(Protocol):
    """Whom something is counted for: a project, and one of its keys or none; a viewer, or a job."""

    @property
    def project_id(self) -> str:
        """The project."""

    @property
    def api_key_id(self) -> str | None:
        """The key."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of one key or one project; `key` names it among all."""

    key: str
    kind: RateLimitKind
    scope: LimitScope
    capacity: int
    has_places: bool = field(init=False)
    """Whether it is held and given back, rather than used up and refilled."""
    restored_per_second: float = field(init=False)
    """How fast it is refilled; 0 for places."""

    def __post_init__(self) -> None:
        has_places = self.kind is RateLimitKind.CONCURRENCY
        object.__setattr__(self, "has_places", has_places)
        object.__setattr__(self, "restored_per_second", 0.0 if has_places else self.capacity / MINUTE)


class Demand(NamedTuple):
    """How much somebody wants of a limit; 0 only looks, less than 0 gives back."""

    limit: Limit
    amount: int


class BucketsAwayError(Exception):
    """The place where limits are kept does not answer in time."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with buckets, and whether everything is refused for it."""

    message: str
    refuses: bool


class Taken(NamedTuple):
    """What came of some demands: whether they were met, what is left of each limit, and who knows of it."""

    demands: Sequence[Demand]
    left: Sequence[float]
    refused: int | None
    """The first demand that was too much; then nothing was taken."""
    by: Buckets


class Buckets(Protocol):
    """Keeps what is left."""

    async def take(self, demands: Sequence[Demand], holder: str = "", *, forced: bool = False) -> Taken:
        """Takes all that is demanded, or nothing where one limit has not as much left.

        `holder` is who holds the places. `forced` takes although less is left: the limit is in debt then.

        Raises:
            BucketsAwayError: it is not known what is left.
        """

    async def renew(self, places: Sequence[tuple[str, str]]) -> None:
        """Tells that places, each a limit's key and its holder, are still held.

        Raises:
            BucketsAwayError: they may be lost.
        """

    async def problem(self) -> Problem | None:
        """Says what is wrong with it now, if anything is."""

    async def close(self) -> None:
        """Lets go of everything."""
