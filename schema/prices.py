"""Prices of versions."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Self

import strawberry

from db.tables import PriceRow
from engine.money import from_nanos
from schema.types import object_type


@object_type
class Price:
    """What a version costs from a time on. A price that is null is unknown, never free."""

    currency: str = strawberry.field(description="ISO 4217.")
    input_per_million_tokens: Decimal | None = strawberry.field(description="For a million input tokens.")
    cached_input_per_million_tokens: Decimal | None = strawberry.field(
        description="For a million input tokens that the provider had cached."
    )
    output_per_million_tokens: Decimal | None = strawberry.field(description="For a million output tokens.")
    per_prediction: Decimal | None = strawberry.field(description="For each prediction, whatever its size.")
    valid_from: datetime = strawberry.field(description="From when on it holds.")

    @classmethod
    def from_row(cls, row: PriceRow) -> Self:
        """Shapes a price."""

        def amount(nanos: int | None) -> Decimal | None:
            return None if nanos is None else from_nanos(nanos)

        return cls(
            currency=row.currency,
            input_per_million_tokens=amount(row.input_nanos_per_million),
            cached_input_per_million_tokens=amount(row.cached_input_nanos_per_million),
            output_per_million_tokens=amount(row.output_nanos_per_million),
            per_prediction=amount(row.nanos_per_prediction),
            valid_from=row.valid_from,
        )
