"""Standing: how limits and budgets stand, in the words that every layer above the database shares."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

FIRST_TIER = "internal"
"""The tier of the first project: whoever tries Foretell is not limited by anyone."""
USUAL_TIER = "free"
"""The tier of other projects, and of those whose tier the settings do not know any more."""


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


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A rate limit as it stands: what is left of it, and when it will be whole again.

    `restored_per_second` is 0 for CONCURRENCY, which is given back by what ends.
    """

    kind: RateLimitKind
    scope: LimitScope
    limit: int
    remaining: int
    restored_per_second: float
    reset_at: datetime
