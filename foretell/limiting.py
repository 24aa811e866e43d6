"""Limiting: charges the operations of a session, and tells over HTTP what is left.

The headers are those of draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy` says what the limits
are, `RateLimit` how they stand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache

from engine.errors import RateLimitedError
from engine.limits.base import MINUTE
from engine.limits.service import Limits
from engine.standing import LimitScope, RateLimit, RateLimitKind
from foretell.graphql import Session
from schema.extensions import Throttle
from schema.scalars import print_date_time


def throttle(limits: Limits, session: Session) -> Throttle | None:
    """Returns what charges the operations of a session; None where nobody is known to charge."""
    viewer = session.viewer
    if viewer is None:
        return None

    async def charge(cost: float) -> Mapping[str, object] | None:
        try:
            standing = await limits.charge(viewer, cost)
        except RateLimitedError as error:
            session.response_headers.update(headers([error.limit] if error.limit else []))
            raise
        session.response_headers.update(headers(standing))
        return _tightest(standing)

    return charge


def headers(standing: Sequence[RateLimit]) -> dict[str, str]:
    """Returns the headers that tell of some limits, none for none."""
    if not standing:
        return {}
    policies = [_policy(each.scope, each.kind, each.limit) for each in standing]
    levels = [
        f"{_name(each.scope, each.kind)};r={each.remaining};t={math.ceil(each.reset_seconds)}"
        for each in standing
    ]
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(levels)}


@lru_cache(maxsize=256)
def _policy(scope: LimitScope, kind: RateLimitKind, limit: int) -> str:
    return f"{_name(scope, kind)};q={limit};w={MINUTE:.0f}"


@cache
def _name(scope: LimitScope, kind: RateLimitKind) -> str:
    return f'"{scope}-{kind}"'.lower().replace("_", "-")


def _tightest(standing: Sequence[RateLimit]) -> Mapping[str, object] | None:
    """Returns the limit of query cost that has the least left, as `extensions.cost.throttle` shows it."""
    costs = [each for each in standing if each.kind is RateLimitKind.QUERY_COST]
    if not costs:
        return None
    least = min(costs, key=lambda each: each.remaining)
    return {
        "limit": least.limit,
        "remaining": least.remaining,
        "restoreRatePerSecond": round(least.restored_per_second, 3),
        "resetAt": print_date_time(least.reset_at),
    }
