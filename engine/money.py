"""Money as integers of nano units (10⁻⁹ of a currency's unit), and what a prediction costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from db.tables import PriceRow
from engine.values import Usage

NANOS = 1_000_000_000
MILLION = 1_000_000
DEFAULT_CURRENCY = "USD"


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount in nano units of a currency (ISO 4217)."""

    nanos: int
    currency: str


def to_nanos(amount: Decimal) -> int:
    """Returns an amount in nano units.

    Raises:
        ValueError: the amount is finer than a nano unit.
    """
    numerator, denominator = amount.as_integer_ratio()  # exact: a product would be rounded to 28 digits
    nanos, rest = divmod(numerator * NANOS, denominator)
    if rest:
        raise ValueError(f"{amount} has more than nine decimals")
    return nanos


def from_nanos(nanos: int) -> Decimal:
    """Returns nano units as an amount, without trailing zeros."""
    amount = Decimal(nanos) / NANOS
    return amount.quantize(Decimal(1)) if amount == amount.to_integral_value() else amount.normalize()


def price_at(prices: Sequence[PriceRow], time: datetime) -> PriceRow | None:
    """Returns the price that holds at a time, from a version's prices in order of `valid_from`."""
    valid = [price for price in prices if price.valid_from <= time]
    return valid[-1] if valid else None


def cost_of(price: PriceRow | None, usage: Usage) -> Cost | None:
    """Returns what a usage costs, rounded half up to a nano unit; None where a price is not known.

    A price that is null counts as unknown for what was used of it, never as free. Input tokens that
    the provider had cached cost the cached price, where there is one.
    """
    if price is None:
        return None
    if usage.input_tokens is None and usage.output_tokens is None:
        fixed = price.nanos_per_prediction
        return None if fixed is None else Cost(fixed, price.currency)
    cached = usage.cached_input_tokens or 0
    fresh = (usage.input_tokens or 0) - cached
    cached_price = price.cached_input_nanos_per_million
    parts = (
        (fresh, price.input_nanos_per_million),
        (cached, price.input_nanos_per_million if cached_price is None else cached_price),
        (usage.output_tokens or 0, price.output_nanos_per_million),
    )
    if any(tokens and per_million is None for tokens, per_million in parts):
        return None
    per_token = sum(tokens * (per_million or 0) for tokens, per_million in parts)
    tokens_cost = (per_token + MILLION // 2) // MILLION
    return Cost(tokens_cost + (price.nanos_per_prediction or 0), price.currency)


def charge(price: PriceRow | None, usage: Usage, *, cached: bool) -> Cost | None:
    """Returns what is charged for a usage: what it costs, or 0 if it came from the cache."""
    cost = cost_of(price, usage)
    if cached:
        return Cost(0, cost.currency if cost is not None else DEFAULT_CURRENCY)
    return cost
