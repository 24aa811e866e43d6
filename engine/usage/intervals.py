"""Intervals: how a range of time is cut into hours, days or months, all in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from db.types import EPOCH
from engine.errors import InvalidInputError
from engine.values import UsageInterval

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MAX_BUCKETS = 1000
MAX_HOURLY = timedelta(days=7)

Span = tuple[datetime, datetime]


def whole_hours(since: datetime, until: datetime) -> Span:
    """Returns a range widened to whole hours, which is what usage is kept by.

    Raises:
        InvalidInputError: it is empty.
    """
    if since >= until:
        raise InvalidInputError("A range begins before it ends.", path=("range", "lt"), constraint="range")
    since, until = since.astimezone(UTC), until.astimezone(UTC)
    first, last = _hour(since), _hour(until)
    return first, last if last == until else last + HOUR


def unit_of(interval: UsageInterval) -> timedelta:
    """Returns the unit that sums are read by: days make up months."""
    return HOUR if interval is UsageInterval.HOUR else DAY


def spans(interval: UsageInterval, since: datetime, until: datetime) -> list[Span]:
    """Returns the intervals of a range in order, the first and the last cut to the range.

    Raises:
        InvalidInputError: they are more than 1,000, or hours of more than seven days.
    """
    if interval is UsageInterval.HOUR and until - since > MAX_HOURLY:
        raise InvalidInputError(
            "HOUR is for ranges of up to 7 days: ask by DAY.", path=("interval",), constraint="range"
        )
    found: list[Span] = []
    start = since
    while start < until:
        end = min(_next(interval, start), until)
        found.append((start, end))
        start = end
        if len(found) > MAX_BUCKETS:
            raise too_many()
    return found


def too_many() -> InvalidInputError:
    """Returns the error for a question with more than 1,000 buckets in its answer."""
    return InvalidInputError(
        f"This would be more than {MAX_BUCKETS} buckets: ask for less time, or for longer ones.",
        path=("range",),
        constraint="maxBuckets",
    )


def slot_start(slot: int, unit: timedelta) -> datetime:
    """Returns the time at which a unit begins, counted from 1970."""
    return EPOCH + slot * unit


def _hour(time: datetime) -> datetime:
    return time.replace(minute=0, second=0, microsecond=0)


def _next(interval: UsageInterval, start: datetime) -> datetime:
    """Returns the end of the calendar interval that a time is in."""
    if interval is UsageInterval.HOUR:
        return _hour(start) + HOUR
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    if interval is UsageInterval.DAY:
        return midnight + DAY
    return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
