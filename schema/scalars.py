"""The custom scalars: what they accept, what they print, and what they refuse.

Put `SCALARS` into `StrawberryConfig(scalar_map=...)`, and annotate fields with `datetime`, `Decimal`,
`BigInt`, `JSON` and `URL`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NewType, TypeVar
from urllib.parse import urlsplit

import strawberry
from graphql import GraphQLError, ValueNode, value_from_ast_untyped
from strawberry.types.scalar import ScalarDefinition

from db.types import epoch_ms, from_epoch_ms

BigInt = NewType("BigInt", int)
JSON = NewType("JSON", object)
URL = NewType("URL", str)
Parsed = TypeVar("Parsed")

MAX_BIG_INT = 2**63 - 1
MAX_URL_LENGTH = 2048
MAX_DECIMAL_LENGTH = 64
MAX_JSON_DEPTH = 100
"""The encoder stops at 254 levels, and the answer has some of its own."""
MIN_JSON_INT, MAX_JSON_INT = -(2**63), 2**64 - 1
"""What the encoder writes without losing a digit."""

KEPT_MINUTES = 10_000
"""How many minutes are kept as they are printed: to print a time anew takes ten times as long."""

_MINUTES: dict[int, str] = {}
_SECONDS = [f"{number:02}." for number in range(60)]
_MILLISECONDS = [f"{number:03}Z" for number in range(1000)]

# scalars.graphql.org/andimarek/date-time: date, "T", time, and an offset that is never left out.
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)
_DECIMAL = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


def print_date_time(value: datetime | int) -> str:
    """Return a time in UTC with exactly three fractional digits; the rest is cut off, not rounded.

    An integer is the milliseconds since 1970 that a row holds. Raises GraphQLError for a time without a zone,
    which is a bug of the server.
    """
    if value.__class__ is not int:
        assert isinstance(value, datetime)
        if value.tzinfo is None:
            raise GraphQLError("DateTime cannot represent a time without a zone.")
        value = epoch_ms(value)
    minute = value // 60_000
    rest = value - minute * 60_000
    printed = _MINUTES.get(minute)
    if printed is None:
        if len(_MINUTES) >= KEPT_MINUTES:
            _MINUTES.clear()
        printed = _MINUTES[minute] = from_epoch_ms(minute * 60_000).isoformat()[:17]
    return f"{printed}{_SECONDS[rest // 1000]}{_MILLISECONDS[rest % 1000]}"


def parse_date_time(value: object) -> datetime:
    """Return an RFC 3339 time with an offset as an aware datetime in UTC, cut to microseconds."""
    if not isinstance(value, str) or not _DATE_TIME.fullmatch(value):
        raise GraphQLError("DateTime must be RFC 3339 with an offset, such as 2026-11-20T16:29:49.123Z.")
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        raise GraphQLError("DateTime is not a time of the calendar.") from None


def print_big_int(value: object) -> str:
    """Return a whole number as its digits, because JSON numbers lose digits past 2^53 in JavaScript."""
    return str(_within_64_bits(value))


def parse_big_int(value: object) -> BigInt:
    """Return the number from its digits or from a JSON integer; refuse what does not fit 64 bits."""
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return BigInt(_within_64_bits(int(value)))
    return BigInt(_within_64_bits(value))


def _within_64_bits(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not -MAX_BIG_INT - 1 <= value <= MAX_BIG_INT:
        raise GraphQLError("BigInt must be a 64-bit whole number, as a string of digits.")
    return value


def print_decimal(value: object) -> str:
    """Return a Decimal without an exponent, all its digits kept."""
    if not isinstance(value, Decimal) or not value.is_finite():
        raise GraphQLError("Decimal cannot represent this value.")
    return f"{value:f}"


def parse_decimal(value: object) -> Decimal:
    """Return the exact value of a string such as "12.50"; a JSON integer is accepted, a float is not."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or len(text) > MAX_DECIMAL_LENGTH or not _DECIMAL.fullmatch(text):
        raise GraphQLError('Decimal must be a string such as "12.50", at most 64 characters.')
    try:
        return Decimal(text)
    except InvalidOperation:
        raise GraphQLError("Decimal cannot represent this value.") from None


def print_json(value: Any) -> Any:
    """Return `value` unchanged; refuse what is not JSON, such as NaN, which would be sent as null."""
    _require_json(value, _are_finite)
    return value


def parse_json(value: Any) -> JSON:
    """Return the decoded JSON value as it came; refuse what could not be sent back."""
    _require_json(value, _are_everyday_numbers)
    return JSON(value)


def literal_of(parse: Callable[[Any], Parsed]) -> Callable[..., Parsed]:
    """Return what reads a literal of the document as `parse` reads a value, and says where a wrong one is."""

    def parse_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Parsed:
        try:
            return parse(value_from_ast_untyped(node, variables))
        except GraphQLError as error:
            raise GraphQLError(error.message, node) from error

    return parse_literal


def _require_json(value: Any, are_fine: Callable[[Sequence[Any]], bool], depth: int = 1) -> None:
    """Return when the value can be sent as JSON; `are_fine` tells of lists of numbers that need no look.

    Raises GraphQLError.
    """
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        if depth > MAX_JSON_DEPTH:
            raise GraphQLError(f"JSON can be nested at most {MAX_JSON_DEPTH} levels.")
        if not are_fine(value):
            for each in value:
                _require_json(each, are_fine, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise GraphQLError("JSON cannot represent NaN or Infinity.")
    elif isinstance(value, int) and not MIN_JSON_INT <= value <= MAX_JSON_INT:
        raise GraphQLError("JSON numbers without a fraction must fit 64 bits.")


def _are_finite(values: Sequence[Any]) -> bool:
    """Tell whether the values are all numbers, none of them NaN or infinite; False is "look at each".

    Long lists are lists of numbers, and one pass in C takes 2 ms for 100,000 where one by one takes 20.
    """
    try:
        return math.isfinite(sum(values))
    except (TypeError, OverflowError):
        return False


def _are_everyday_numbers(values: Sequence[Any]) -> bool:
    """Tell whether, beyond that, none is so large that it could be an integer of more than 64 bits."""
    return _are_finite(values) and (not values or -(2**63) <= min(values) <= max(values) < 2**64)


def parse_url(value: object) -> URL:
    """Return an absolute http or https URL of at most 2048 characters, without credentials in it."""
    if not isinstance(value, str) or len(value) > MAX_URL_LENGTH or not value.isprintable() or " " in value:
        raise GraphQLError("URL must be a string of at most 2048 printable characters.")
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.username is None
        usable = usable and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise GraphQLError("URL must be an absolute http or https address without credentials.")
    return URL(value)


SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="RFC 3339 in UTC with exactly three fractional digits: 2026-11-20T16:29:49.123Z.",
        specified_by_url="https://scalars.graphql.org/andimarek/date-time.html",
        serialize=print_date_time,
        parse_value=parse_date_time,
        parse_literal=literal_of(parse_date_time),
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description="64-bit integer as a decimal string.",
        serialize=print_big_int,
        parse_value=parse_big_int,
        parse_literal=literal_of(parse_big_int),
    ),
    Decimal: strawberry.scalar(
        name="Decimal",
        description="Exact decimal as a string, at most 64 characters, without an exponent.",
        serialize=print_decimal,
        parse_value=parse_decimal,
        parse_literal=literal_of(parse_decimal),
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="Any JSON value, nested at most 100 levels; NaN and Infinity are not JSON.",
        specified_by_url="https://ecma-international.org/wp-content/uploads/ECMA-404_2nd_edition_december_2017.pdf",
        serialize=print_json,
        parse_value=parse_json,
        parse_literal=literal_of(parse_json),
    ),
    URL: strawberry.scalar(
        name="URL",
        description="An absolute http or https address, at most 2048 characters.",
        specified_by_url="https://url.spec.whatwg.org/",
        serialize=str,
        parse_value=parse_url,
        parse_literal=literal_of(parse_url),
    ),
}
