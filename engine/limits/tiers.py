"""Tiers: the limits that projects have, by the name of their tier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from engine.limits.base import Limit, Payer
from engine.standing import LimitScope, RateLimitKind


@dataclass(frozen=True, slots=True)
class Tier:
    """What a project may ask for in a minute, and at once; None is any number.

    `key_share`, above 0 and at most 1, is how much of each of these one key of the project may take.
    """

    requests: int | None = None
    query_cost: int | None = None
    tokens: int | None = None
    concurrency: int | None = None
    key_share: float = 1.0

    def limits(self, payer: Payer, *kinds: RateLimitKind) -> Sequence[Limit]:
        """Returns what holds for a payer: the limits of some kinds of its project, and of its key."""
        return _limits(self, payer.project_id, payer.api_key_id, kinds)

    def capacity(self, kind: RateLimitKind) -> int | None:
        """Returns how much of a kind a project may ask for; None for any number."""
        return {
            RateLimitKind.REQUESTS: self.requests,
            RateLimitKind.QUERY_COST: self.query_cost,
            RateLimitKind.TOKENS: self.tokens,
            RateLimitKind.CONCURRENCY: self.concurrency,
        }[kind]


@lru_cache(maxsize=4096)  # every operation asks, and the answer is the same for each of a key
def _limits(
    tier: Tier, project_id: str, key_id: str | None, kinds: tuple[RateLimitKind, ...]
) -> Sequence[Limit]:
    return tuple(
        limit
        for kind in kinds
        if (capacity := tier.capacity(kind)) is not None
        for limit in _scoped(tier, project_id, key_id, kind, capacity)
    )


def _scoped(
    tier: Tier, project_id: str, key_id: str | None, kind: RateLimitKind, capacity: int
) -> Sequence[Limit]:
    # The braces keep all limits of a project on one node of a Redis Cluster.
    project = "{" + project_id + "}"
    limits = [Limit(f"{project}:{kind}", kind, LimitScope.PROJECT, capacity)]
    if tier.key_share < 1 and key_id is not None:
        share = max(1, int(capacity * tier.key_share))
        limits.append(Limit(f"{project}:{key_id}:{kind}", kind, LimitScope.KEY, share))
    return limits
