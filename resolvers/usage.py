"""Usage: buckets over time, and totals of one thing, from the rollups."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from db.filters import UsageFilter
from db.pages import Order, Page, Window
from db.queries import usage_sums as queries
from engine.money import Cost
from engine.usage.intervals import MAX_BUCKETS, Span, spans, too_many, unit_of, whole_hours
from engine.usage.totals import Bucket, Durations, Group, Totals, bucket_key, buckets_of
from engine.values import UsageDimension, UsageInterval
from resolvers.context import Context
from resolvers.sight import seen
from resolvers.usage_loads import UsageOf

COLUMNS = {
    UsageDimension.MODEL: "model_id",
    UsageDimension.MODEL_VERSION: "model_version_id",
    UsageDimension.API_KEY: "api_key_id",
    UsageDimension.JOB: "job_id",
}
DAYS_IN_A_MONTH = 31

__all__ = [
    "ORDER",
    "Answer",
    "Bucket",
    "Cost",
    "Durations",
    "Measured",
    "Totals",
    "buckets_page",
    "usage",
    "usage_of",
]


class _ByStart(Order):
    """Buckets by their start, then by their group."""

    def place(self, row: Bucket) -> tuple[datetime, str]:
        """Returns where a bucket stands."""
        return row.place


ORDER = _ByStart("USAGE", (), descending=False)


@dataclass(frozen=True, slots=True)
class Measured:
    """Totals in one main currency, and how to read the durations behind them."""

    totals: Totals
    currency: str
    durations: Callable[[], Awaitable[Durations]]


@dataclass(slots=True)
class Answer:
    """All buckets of a question, and their sum."""

    context: Context
    wanted: UsageFilter
    by: tuple[str, ...]
    spans: Sequence[Span]
    unit: timedelta
    buckets: Sequence[Bucket]
    totals: Totals
    currency: str
    _durations: Mapping[tuple[datetime, Group], Durations] | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def measured(self, bucket: Bucket | None = None) -> Measured:
        """Returns the totals of a bucket, or of everything."""

        async def durations() -> Durations:
            found = await self._all_durations()
            if bucket is not None:
                return found.get((bucket.start, bucket.group)) or Durations()
            everything = Durations()
            for each in found.values():
                everything.include(each)
            return everything

        return Measured(bucket.totals if bucket else self.totals, self.currency, durations)

    async def _all_durations(self) -> Mapping[tuple[datetime, Group], Durations]:
        """Reads the sketches once, when the first percentile is asked for."""
        async with self._lock:
            if self._durations is None:
                services, viewer = self.context.services, self.context.viewer
                async with services.database.read() as connection:
                    rows = await queries.sketches(
                        connection, viewer.project_id, self.wanted, self.by, self.unit
                    )
                self._durations = await asyncio.to_thread(self._pooled, rows)
            return self._durations

    def _pooled(self, rows: Sequence[queries.Row]) -> Mapping[tuple[datetime, Group], Durations]:
        starts = [start for start, _ in self.spans]
        key_of = bucket_key(self.by, starts, self.unit)
        found: dict[tuple[datetime, Group], Durations] = {}
        for row in rows:
            number, group = key_of(row)
            found.setdefault((starts[number], group), Durations()).add(row)
        return found


async def usage(
    context: Context, wanted: UsageFilter, interval: UsageInterval, dimensions: Sequence[UsageDimension]
) -> Answer:
    """Returns the project's usage, one bucket for each interval and group.

    Raises:
        InvalidInputError: there would be more than 1,000 buckets, or hours of more than seven days.
    """
    wanted = _whole(seen(context.viewer, wanted))
    intervals, unit = spans(interval, wanted.since, wanted.until), unit_of(interval)
    by = tuple(COLUMNS[dimension] for dimension in dict.fromkeys(dimensions))
    limit = MAX_BUCKETS * DAYS_IN_A_MONTH
    async with context.services.database.read() as connection:
        rows = await queries.sums(connection, context.viewer.project_id, wanted, by, unit, limit + 1)
    buckets = buckets_of(rows, by, intervals, unit)
    if len(rows) > limit or len(buckets) > MAX_BUCKETS:
        raise too_many()
    totals = Totals()
    for row in rows:
        totals.add(row)
    return Answer(context, wanted, by, intervals, unit, buckets, totals, totals.main_currency())


def buckets_page(answer: Answer, window: Window) -> Page[Bucket]:
    """Returns a page of an answer's buckets."""
    place, rows = window.place, list(answer.buckets)
    if window.backwards:
        rows = [row for row in rows if place is None or row.place < place]
        more = len(rows) > window.size
        return Page(rows[max(0, len(rows) - window.size) :], ORDER, more, place is not None)
    rows = [row for row in rows if place is None or row.place > place]
    return Page(rows[: window.size], ORDER, place is not None, len(rows) > window.size)


async def usage_of(context: Context, kind: str, parent_id: str, span: Span | None) -> Measured:
    """Returns what one thing used (`kind` is a column: `model_id`, `api_key_id`, …), in a range or ever."""
    if span is not None:
        span = whole_hours(*span)
    key = UsageOf(kind, parent_id, span)
    totals = await context.loaders.usage_of.load(key)

    async def durations() -> Durations:
        return await context.loaders.durations_of.load(key)

    return Measured(totals, totals.main_currency(), durations)


def _whole(wanted: UsageFilter) -> UsageFilter:
    since, until = whole_hours(wanted.since, wanted.until)
    return UsageFilter(
        since, until, wanted.model_id, wanted.model_version_id, wanted.api_key_id, wanted.job_id
    )
