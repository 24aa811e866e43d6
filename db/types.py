"""Column types that mean the same on SQLite and PostgreSQL, and the ids rows are known by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import BigInteger, String, Text, TypeDecorator
from sqlalchemy.engine import Dialect
from uuid_utils import UUID, uuid7

ID_LENGTH = 32
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def new_id() -> str:
    """Returns a UUIDv7 (RFC 9562) as 32 hexadecimal digits: ids sort by the time they were made."""
    return uuid7().hex


def created_at(row_id: str) -> datetime:
    """Returns the time, to the millisecond, at which `new_id` made an id."""
    return from_epoch_ms(UUID(row_id).timestamp)


def first_id_at(time: datetime) -> str:
    """Returns the least id that can be made at a time, so that a range of times is a range of ids."""
    return f"{max(0, epoch_ms(time)):012x}".ljust(ID_LENGTH, "0")


def now() -> datetime:
    """Returns the time in UTC, cut to the millisecond that the database keeps."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def epoch_ms(time: datetime) -> int:
    """Returns the whole milliseconds from 1970 to an aware time; exact, as a float would not be."""
    return (time - EPOCH) // MILLISECOND


def epoch_ms_or_none(time: datetime | None) -> int | None:
    """Returns the same of what goes into a column that may be NULL."""
    return None if time is None else (time - EPOCH) // MILLISECOND


def json_or_none(value: Any) -> str | None:
    """Returns a value as JSON text; None is SQL's NULL."""
    return None if value is None else orjson.dumps(value).decode()


def from_epoch_ms(milliseconds: int) -> datetime:
    """Returns the aware UTC time that many milliseconds after 1970."""
    return EPOCH + timedelta(0, 0, 0, milliseconds)  # by position: three times as fast as by name


def from_epoch_ms_or_none(milliseconds: int | None) -> datetime | None:
    """Returns the same of a column that may be NULL."""
    return None if milliseconds is None else EPOCH + timedelta(0, 0, 0, milliseconds)


def storable(value: str) -> bool:
    """Tells whether a column can hold a text: PostgreSQL takes no NUL, so what has one is never found."""
    return "\0" not in value


class Id(TypeDecorator[str]):
    """An id from `new_id`, compared byte by byte on every database, whatever its locale."""

    impl = String
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(ID_LENGTH)

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Returns the type a dialect stores: PostgreSQL is told to compare bytes."""
        collation = "C" if dialect.name == "postgresql" else None
        return dialect.type_descriptor(String(ID_LENGTH, collation=collation))


class Time(TypeDecorator[datetime]):
    """An aware UTC time, stored as whole milliseconds since 1970: small, sortable, equal everywhere."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Returns the milliseconds of a time."""
        return epoch_ms_or_none(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Returns the time of some milliseconds."""
        return None if value is None else from_epoch_ms(value)


class Json(TypeDecorator[Any]):
    """Any JSON value, stored as text; NaN and infinities become null."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """See `json_or_none`."""
        return json_or_none(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Returns the value that was stored."""
        return None if value is None else orjson.loads(value)
