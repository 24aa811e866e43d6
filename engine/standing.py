"""Standing: how limits and budgets stand, in the words that every layer above the database shares."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

FIRST_TIER = "internal"
"""The tier of the first project: whoever tries Foretell is not limited by anyone."""
USUAL_TIER = "free"
"""The tier of other projects, and of those whose tier the settings do not know any more."""


class BudgetWindow(StrEnum):
    """What a budget is for: a day or a month of the calendar, in UTC, or all time."""

    DAY = "DAY"
    MONTH = "MONTH"
    TOTAL = "TOTAL"


class RateLimitKind(StrEnum):
    """What a rate limit counts; all are for a minute, but CONCURRENCY: what runs at the same time."""

    QUERY_COST = "QUERY_COST"
    REQUESTS = "REQUESTS"
    TOKENS = "TOKENS"
    CONCURRENCY = "CONCURRENCY"


class LimitScope(StrEnum):
    """Whom a limit or a budget holds for: one key, or all of a project together."""

    KEY = "KEY"
    PROJECT = "PROJECT"


class RateLimit(NamedTuple):
    """A rate limit as it stands: what is left of it, and when it will be whole again.

    `restored_per_second` is 0 for CONCURRENCY, which is given back by what ends.
    """

    kind: RateLimitKind
    scope: LimitScope
    limit: int
    remaining: int
    restored_per_second: float
    reset_seconds: float
    """In how many seconds it will be whole again, if nothing is asked of it until then."""

    @property
    def reset_at(self) -> datetime:
        """When that will be."""
        return datetime.now(UTC) + timedelta(seconds=self.reset_seconds)


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget as it stands, in nano units of its currency; running work may cost what is reserved."""

    id: str
    window: BudgetWindow
    scope: LimitScope
    limit_nanos: int
    spent_nanos: int
    reserved_nanos: int
    currency: str
    reset_at: datetime | None
    """When nothing will be spent of it; None for TOTAL."""

    @property
    def free_nanos(self) -> int:
        """What is neither spent nor reserved."""
        return self.limit_nanos - self.spent_nanos - self.reserved_nanos
