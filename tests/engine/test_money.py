from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.tables import PriceRow
from engine.money import NANOS, Cost, cost_of, from_nanos, price_at, to_nanos
from engine.values import Usage, UsageSource

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MOST = 2**63 - 1

tokens = st.integers(min_value=0, max_value=10**12)
prices = st.none() | st.integers(min_value=0, max_value=10**12)


def price(**nanos: Any) -> PriceRow:
    return PriceRow(model_version_id="v", currency="EUR", **nanos)


def usage(**counts: int) -> Usage:
    return Usage(UsageSource.COUNTED, **counts)


@given(st.integers(min_value=-MOST, max_value=MOST))
def test_nanos_come_back_as_they_went(nanos: int) -> None:
    assert to_nanos(from_nanos(nanos)) == nanos
    assert Fraction(from_nanos(nanos)) == Fraction(nanos, NANOS)


@given(st.integers(min_value=-MOST, max_value=MOST))
def test_amounts_are_printed_without_trailing_zeros(nanos: int) -> None:
    shown = f"{from_nanos(nanos):f}"

    assert "." not in shown or not shown.endswith(("0", "."))


@given(st.integers(min_value=0, max_value=10**50), st.integers(min_value=0, max_value=40))
def test_an_amount_is_taken_exactly_or_not_at_all(digits: int, decimals: int) -> None:
    amount = Decimal(f"{digits}E-{decimals}")
    exact = Fraction(amount) * NANOS

    if exact.denominator == 1:
        assert to_nanos(amount) == exact
    else:
        with pytest.raises(ValueError, match="nine decimals"):
            to_nanos(amount)


@given(prices, prices, prices, prices, tokens, tokens, tokens)
def test_a_cost_is_the_exact_sum_rounded_half_up_once(
    fresh_price: int | None,
    cached_price: int | None,
    output_price: int | None,
    flat_price: int | None,
    fresh: int,
    cached: int,
    output: int,
) -> None:
    row = price(
        input_nanos_per_million=fresh_price,
        cached_input_nanos_per_million=cached_price,
        output_nanos_per_million=output_price,
        nanos_per_prediction=flat_price,
    )
    used = usage(input_tokens=fresh + cached, cached_input_tokens=cached, output_tokens=output)

    cost = cost_of(row, used)

    parts = [
        (fresh, fresh_price),
        (cached, fresh_price if cached_price is None else cached_price),
        (output, output_price),
    ]
    if any(count and each is None for count, each in parts):
        assert cost is None
    else:
        exact = sum((Fraction(count * (each or 0), 10**6) for count, each in parts), Fraction(0))
        assert cost == Cost(floor(exact + Fraction(1, 2)) + (flat_price or 0), "EUR")


@given(st.integers(min_value=0, max_value=10**12), tokens)
def test_nothing_is_lost_over_many_predictions_but_half_a_nano_each(per_million: int, count: int) -> None:
    cost = cost_of(price(input_nanos_per_million=per_million), usage(input_tokens=count))

    assert cost is not None
    assert abs(cost.nanos - Fraction(count * per_million, 10**6)) <= Fraction(1, 2)


def test_a_price_for_each_prediction_does_not_depend_on_its_size() -> None:
    flat = price(nanos_per_prediction=1_000)

    assert cost_of(flat, usage(records=1)) == cost_of(flat, usage(records=1000)) == Cost(1_000, "EUR")


@pytest.mark.parametrize(
    ("row", "used"),
    [
        (None, usage(records=1)),
        (price(), usage(records=1)),
        (price(output_nanos_per_million=1), usage(records=1)),
        (price(output_nanos_per_million=1), usage(input_tokens=1, output_tokens=1)),
        (price(input_nanos_per_million=1, nanos_per_prediction=5), usage(input_tokens=1, output_tokens=1)),
    ],
)
def test_what_has_no_price_costs_an_unknown_amount_not_nothing(row: PriceRow | None, used: Usage) -> None:
    assert cost_of(row, used) is None


def test_a_price_of_zero_is_free() -> None:
    assert cost_of(price(nanos_per_prediction=0), usage(records=1)) == Cost(0, "EUR")
    assert cost_of(price(output_nanos_per_million=0), usage(input_tokens=0, output_tokens=9)) == Cost(
        0, "EUR"
    )


def test_the_price_that_holds_is_the_newest_that_has_begun() -> None:
    old, new, later = (
        PriceRow(model_version_id="v", valid_from=NOW + timedelta(days=days)) for days in (-2, 0, 1)
    )

    assert price_at([old, new, later], NOW) is new
    assert price_at([old, new, later], NOW - timedelta(milliseconds=1)) is old
    assert price_at([later], NOW) is None
    assert price_at([], NOW) is None
