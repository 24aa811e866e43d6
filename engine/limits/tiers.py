"""Tiers: the limits that projects have, by the name of their tier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
        return [
            limit
            for kind in kinds
            if (capacity := self._capacity(kind)) is not None
            for limit in self._scoped(payer, kind, capacity)
        ]

    def _capacity(self, kind: RateLimitKind) -> int | None:
        return {
            RateLimitKind.REQUESTS: self.requests,
            RateLimitKind.QUERY_COST: self.query_cost,
            RateLimitKind.TOKENS: self.tokens,
            RateLimitKind.CONCURRENCY: self.concurrency,
        }[kind]

    def _scoped(self, payer: Payer, kind: RateLimitKind, capacity: int) -> Sequence[Limit]:
        # The braces keep all limits of a project on one node of a Redis Cluster.
        project = "{" + payer.project_id + "}"
        limits = [Limit(f"{project}:{kind}", kind, LimitScope.PROJECT, capacity)]
        if self.key_share < 1 and payer.api_key_id is not None:
            share = max(1, int(capacity * self.key_share))
            limits.append(Limit(f"{project}:{payer.api_key_id}:{kind}", kind, LimitScope.KEY, share))
        return limits
