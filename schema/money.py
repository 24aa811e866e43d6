"""Money as clients see it."""

from __future__ import annotations

from decimal import Decimal

import strawberry

from schema.types import object_type


@object_type
class Money:
    """An exact amount, kept as an integer of nano units of the currency; never a float."""

    amount: Decimal = strawberry.field(description="In units of the currency, with up to nine decimals.")
    currency: str = strawberry.field(description="ISO 4217.")
