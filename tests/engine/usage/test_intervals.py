from datetime import UTC, datetime, timedelta, timezone

import pytest

from engine.errors import InvalidInputError
from engine.usage.intervals import spans, whole_hours
from engine.values import UsageInterval

START = datetime(2024, 2, 28, 22, 30, tzinfo=UTC)


def test_a_range_is_widened_to_whole_hours_of_utc() -> None:
    here = timezone(timedelta(hours=5, minutes=30))

    since, until = whole_hours(START.astimezone(here), START + timedelta(minutes=45))

    assert (since.isoformat(), until.isoformat()) == (
        "2024-02-28T22:00:00+00:00",
        "2024-02-29T00:00:00+00:00",
    )


def test_whole_hours_stay_as_they_are() -> None:
    since = datetime(2024, 1, 1, tzinfo=UTC)

    assert whole_hours(since, since + timedelta(hours=1)) == (since, since + timedelta(hours=1))


@pytest.mark.parametrize("length", [timedelta(0), timedelta(hours=-1)])
def test_a_range_that_ends_before_it_begins_is_refused(length: timedelta) -> None:
    with pytest.raises(InvalidInputError):
        whole_hours(START, START + length)


def test_days_and_months_are_those_of_the_calendar_and_the_ends_are_cut() -> None:
    since, until = whole_hours(START, datetime(2024, 3, 2, 1, tzinfo=UTC))

    days = [start.isoformat()[:16] for start, _ in spans(UsageInterval.DAY, since, until)]
    months = [
        (start.isoformat()[:16], end.isoformat()[:16])
        for start, end in spans(UsageInterval.MONTH, since, until)
    ]

    assert days == ["2024-02-28T22:00", "2024-02-29T00:00", "2024-03-01T00:00", "2024-03-02T00:00"]
    assert months == [("2024-02-28T22:00", "2024-03-01T00:00"), ("2024-03-01T00:00", "2024-03-02T01:00")]


def test_hours_are_for_seven_days_at_most() -> None:
    week = START.replace(minute=0), START.replace(minute=0) + timedelta(days=7)

    assert len(spans(UsageInterval.HOUR, *week)) == 168
    with pytest.raises(InvalidInputError, match="7 days"):
        spans(UsageInterval.HOUR, week[0], week[1] + timedelta(hours=1))


def test_more_than_a_thousand_intervals_are_refused() -> None:
    start = datetime(2020, 1, 1, tzinfo=UTC)

    assert len(spans(UsageInterval.DAY, start, start + timedelta(days=1000))) == 1000
    with pytest.raises(InvalidInputError, match="1000 buckets"):
        spans(UsageInterval.DAY, start, start + timedelta(days=1001))
