"""Rate limits as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Self

import strawberry

from engine import standing
from schema.enums import LimitScope, RateLimitKind
from schema.scalars import BigInt
from schema.types import object_type


@object_type
class RateLimit:
    """A limit as it stands. It begins full, is refilled all the time, and is never more than full."""

    kind: RateLimitKind = strawberry.field(description="What it counts.")
    scope: LimitScope = strawberry.field(description="Whom it holds for.")
    limit: BigInt = strawberry.field(description="In a minute; of CONCURRENCY, at the same time.")
    remaining: BigInt = strawberry.field(description="How much is left now.")
    restore_rate_per_second: float = strawberry.field(
        description="How fast it is refilled; 0 for CONCURRENCY, which what ends gives back."
    )
    reset_at: datetime = strawberry.field(description="When it will be full again if nothing is asked.")

    @classmethod
    def from_value(cls, value: standing.RateLimit) -> Self:
        """Shapes a limit."""
        return cls(
            kind=value.kind,
            scope=value.scope,
            limit=BigInt(value.limit),
            remaining=BigInt(value.remaining),
            restore_rate_per_second=round(value.restored_per_second, 3),
            reset_at=value.reset_at,
        )
