"""Totals: usage added up, over a range or over one bucket of it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from db.tables.usage import NONE
from engine.money import DEFAULT_CURRENCY, Cost
from engine.usage.intervals import Span, slot_start
from engine.usage.sketches import Pooled

Group = tuple[str, ...]


@dataclass(slots=True)
class Totals:
    """What some predictions used together; costs are nano units by currency."""

    predictions: int = 0
    failed: int = 0
    cached: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    records: int = 0
    unpriced: int = 0
    costs: dict[str, int] = field(default_factory=dict)
    priced: dict[str, int] = field(default_factory=dict)
    """How many predictions were charged in each currency."""

    def add(self, row: Any) -> None:
        """Adds a row of `db.queries.usage_sums.sums`."""
        self.predictions += int(row.predictions)  # PostgreSQL adds integers up as decimals
        self.failed += int(row.failed)
        self.cached += int(row.cached)
        self.input_tokens += int(row.input_tokens)
        self.cached_input_tokens += int(row.cached_input_tokens)
        self.output_tokens += int(row.output_tokens)
        self.records += int(row.records)
        self.unpriced += int(row.unpriced)
        if row.currency != NONE:
            name = row.currency
            self.costs[name] = self.costs.get(name, 0) + int(row.cost_nanos)
            self.priced[name] = self.priced.get(name, 0) + int(row.predictions) - int(row.unpriced)

    def main_currency(self) -> str:
        """Returns the currency that most predictions were charged in; USD where there is none."""
        most = sorted(self.priced.items(), key=lambda each: (-each[1], each[0]))
        return most[0][0] if most else DEFAULT_CURRENCY

    def cost_in(self, currency: str) -> Cost:
        """Returns what was charged in a currency."""
        return Cost(self.costs.get(currency, 0), currency)

    def other_costs(self, currency: str) -> list[Cost]:
        """Returns what was charged in every other currency, by its name; nothing is ever converted."""
        return [Cost(nanos, name) for name, nanos in sorted(self.costs.items()) if name != currency]


@dataclass(slots=True)
class Durations:
    """How long predictions took, and how long to their first token, in milliseconds."""

    latency: Pooled = field(default_factory=Pooled)
    first_token: Pooled = field(default_factory=Pooled)

    def add(self, row: Any) -> None:
        """Adds a row of `db.queries.usage_sums.sketches`."""
        if row.latency is not None:
            self.latency.add_stored(row.latency)
            self.first_token.add_stored(row.time_to_first_token)
        if row.total_ms is not None:
            self.latency.add(row.total_ms)
        if row.time_to_first_token_ms is not None:
            self.first_token.add(row.time_to_first_token_ms)

    def include(self, other: Durations) -> None:
        """Adds everything that another one holds."""
        self.latency.include(other.latency)
        self.first_token.include(other.first_token)


@dataclass(frozen=True, slots=True)
class Bucket:
    """One interval of one group; the group has an id for each dimension asked for, NONE where it has none."""

    start: datetime
    end: datetime
    group: Group
    totals: Totals

    @property
    def place(self) -> tuple[datetime, str]:
        """Where it stands among the others."""
        return self.start, " ".join(self.group)


def buckets_of(
    rows: Iterable[Any], by: Sequence[str], spans: Sequence[Span], unit: timedelta
) -> list[Bucket]:
    """Returns the buckets of some sums in order; without groups also those in which nothing was used."""
    found: dict[tuple[int, Group], Totals] = {}
    if not by:
        found = {(number, ()): Totals() for number in range(len(spans))}
    key_of = bucket_key(by, [start for start, _ in spans], unit)
    for row in rows:
        key = key_of(row)
        totals = found.get(key)
        if totals is None:
            totals = found[key] = Totals()
        totals.add(row)
    made = [Bucket(*spans[number], group, totals) for (number, group), totals in found.items()]
    return sorted(made, key=lambda bucket: bucket.place)


def bucket_key(
    by: Sequence[str], starts: Sequence[datetime], unit: timedelta
) -> Callable[[Any], tuple[int, Group]]:
    """Returns what tells the number of the interval that a row falls into, and its group."""

    @cache
    def number(slot: int) -> int:
        return max(0, bisect_right(starts, slot_start(slot, unit)) - 1)

    return lambda row: (number(row.slot), tuple([getattr(row, name) for name in by]))
