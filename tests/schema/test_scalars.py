"""The custom scalars: what they accept, print and refuse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import orjson
import pytest
from graphql import GraphQLError, parse_value
from hypothesis import given
from hypothesis import strategies as st

from db.types import from_epoch_ms
from schema import scalars

INFINITY = float("inf")
NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2026, 11, 20, 16, 29, 49, 123999, UTC), "2026-11-20T16:29:49.123Z"),
        (datetime(2026, 11, 20, tzinfo=UTC), "2026-11-20T00:00:00.000Z"),
        (datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2))), "2025-12-31T22:00:00.000Z"),
        (datetime(999, 1, 1, tzinfo=UTC), "0999-01-01T00:00:00.000Z"),
    ],
)
def test_a_time_is_printed_in_utc_with_three_digits(value: datetime, text: str) -> None:
    assert scalars.print_date_time(value) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-11-20T16:29:49.123Z", datetime(2026, 11, 20, 16, 29, 49, 123000, UTC)),
        ("2026-11-20T16:29:49Z", datetime(2026, 11, 20, 16, 29, 49, 0, UTC)),
        ("2026-11-20T16:29:49.1+02:00", datetime(2026, 11, 20, 14, 29, 49, 100000, UTC)),
        ("2026-11-20T16:29:49.123456789-00:30", datetime(2026, 11, 20, 16, 59, 49, 123456, UTC)),
    ],
)
def test_a_time_is_read_with_its_offset(text: str, value: datetime) -> None:
    assert scalars.parse_date_time(text) == value


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-20T16:29:49",
        "2026-11-20",
        "2026-02-30T00:00:00Z",
        "2026-11-20 16:29:49Z",
        "0001-01-01T00:00:00+09:00",
        "2026-11-20T24:00:01Z",
        "\u0662026-11-20T16:29:49Z",
        "now",
        "",
        1,
        None,
    ],
)
def test_what_is_no_time_is_refused(value: Any) -> None:
    with pytest.raises(GraphQLError, match="DateTime"):
        scalars.parse_date_time(value)


@pytest.mark.parametrize("milliseconds", [0, 59_999, 60_000, 1_764_160_000_123, -1, -60_001])
def test_the_milliseconds_of_a_row_are_printed_as_the_time_that_they_are(milliseconds: int) -> None:
    assert scalars.print_date_time(milliseconds) == scalars.print_date_time(from_epoch_ms(milliseconds))
    assert scalars.parse_date_time(scalars.print_date_time(milliseconds)) == from_epoch_ms(milliseconds)


def test_a_time_without_a_zone_is_not_printed() -> None:
    with pytest.raises(GraphQLError):
        scalars.print_date_time(datetime(2026, 1, 1))


@given(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.timezones()))
def test_a_printed_time_is_read_back_to_the_millisecond(value: datetime) -> None:
    back = scalars.parse_date_time(scalars.print_date_time(value))

    assert timedelta(0) <= value - back < timedelta(milliseconds=1)


@given(st.integers(-(2**63), 2**63 - 1))
def test_big_integers_keep_their_digits(value: int) -> None:
    assert scalars.print_big_int(value) == str(value)
    assert scalars.parse_big_int(str(value)) == value == scalars.parse_big_int(value)


@pytest.mark.parametrize(
    "value", ["", "1.0", "1e3", "x", " 1", "1_0", "\u0663", str(2**63), 2**63, 1.0, True, None]
)
def test_what_is_no_64_bit_integer_is_refused(value: Any) -> None:
    with pytest.raises(GraphQLError, match="BigInt"):
        scalars.parse_big_int(value)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**12), max_value=10**12))
def test_decimals_are_exact(value: Decimal) -> None:
    text = scalars.print_decimal(value)

    assert "E" not in text
    assert scalars.parse_decimal(text) == value


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "1e5", "", ".5", "1.", "0x1", "9" * 65, 1.5, True, None]
)
def test_what_is_no_decimal_is_refused(value: Any) -> None:
    with pytest.raises(GraphQLError, match="Decimal"):
        scalars.parse_decimal(value)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON_VALUES)
def test_json_goes_through_unchanged(value: Any) -> None:
    assert scalars.print_json(value) is value
    assert scalars.parse_json(value) is value
    assert orjson.loads(orjson.dumps(value)) == value


@pytest.mark.parametrize(
    "value",
    [NAN, INFINITY, -INFINITY, [1.0, NAN], [[INFINITY]], {"a": [{"b": NAN}]}, (NAN,), ["x", INFINITY],
     [INFINITY, -INFINITY], [1e308, 1e308, NAN]],
)  # fmt: skip
def test_what_is_not_json_is_refused_both_ways(value: Any) -> None:
    for through in (scalars.print_json, scalars.parse_json):
        with pytest.raises(GraphQLError, match="NaN or Infinity"):
            through(value)


@pytest.mark.parametrize(
    "value", [[1e308, 1e308], [-1e308, 1e300], [2**64 - 1, -(2**63)], [True, 1, 1.5], []]
)
def test_large_numbers_are_json(value: Any) -> None:
    assert scalars.print_json(value) is value


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, [2**64], [1.0, 10**400], {"a": [1, 2**64, -(2**64)]}])
def test_integers_beyond_64_bits_are_refused(value: Any) -> None:
    with pytest.raises(GraphQLError, match="64 bits"):
        scalars.parse_json(value)


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


def test_json_is_nested_a_hundred_levels_at_most() -> None:
    assert scalars.parse_json(nested(100))
    assert scalars.parse_json([[]] * 200)
    for levels in (101, 5000):
        with pytest.raises(GraphQLError, match="100 levels"):
            scalars.parse_json(nested(levels))


def test_a_literal_in_the_document_is_json() -> None:
    node = parse_value('{a: [1, 2.5, "x", true, null, $v]}')

    value: object = scalars.literal_of(scalars.parse_json)(node, {"v": 3})

    assert value == {"a": [1, 2.5, "x", True, None, 3]}


@pytest.mark.parametrize("parse", [scalars.parse_date_time, scalars.parse_big_int, scalars.parse_url])
def test_a_wrong_literal_is_told_with_its_place(parse: Any) -> None:
    with pytest.raises(GraphQLError) as caught:
        scalars.literal_of(parse)(parse_value('  "wrong"'))

    assert [(at.line, at.column) for at in caught.value.locations or ()] == [(1, 3)]


def test_a_literal_that_overflows_is_refused() -> None:
    with pytest.raises(GraphQLError):
        scalars.literal_of(scalars.parse_json)(parse_value("[1e999]"))


@pytest.mark.parametrize("value", ["https://example.com", "http://127.0.0.1:8000/a?b=c#d", "https://[::1]/"])
def test_addresses_are_accepted(value: str) -> None:
    assert scalars.parse_url(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        "example.com",
        "//example.com",
        "ftp://example.com",
        "javascript:alert(1)",
        "https://",
        "https://u:p@h/",
        "https://u@h/",
        "https://h:99999/",
        "https://h/\n",
        "https://h/a b",
        "https://[",
        "https://h/" + "x" * 2048,
        1,
    ],
)
def test_what_is_no_web_address_is_refused(value: Any) -> None:
    with pytest.raises(GraphQLError, match="URL"):
        scalars.parse_url(value)
