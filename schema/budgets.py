"""Budgets as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Self

import strawberry

from engine import standing
from engine.money import from_nanos
from schema.enums import BudgetWindow, LimitScope
from schema.money import Money
from schema.types import object_type


@object_type
class Budget:
    """A hard ceiling: what running work may cost at most is reserved before it begins."""

    window: BudgetWindow = strawberry.field(description="How long it is for.")
    scope: LimitScope = strawberry.field(description="Whom it holds for.")
    limit: Money = strawberry.field(description="What may be spent in a window.")
    spent: Money = strawberry.field(description="What was spent in this one.")
    reserved: Money = strawberry.field(description="What the work that runs now may cost at most.")
    reset_at: datetime | None = strawberry.field(
        description="When the next window begins, with nothing spent; null for TOTAL."
    )

    @classmethod
    def from_value(cls, value: standing.Budget) -> Self:
        """Shapes a budget."""

        def money(nanos: int) -> Money:
            return Money(amount=from_nanos(nanos), currency=value.currency)

        return cls(
            window=value.window,
            scope=value.scope,
            limit=money(value.limit_nanos),
            spent=money(value.spent_nanos),
            reserved=money(value.reserved_nanos),
            reset_at=value.reset_at,
        )
