"""What the loaders of usage do: the totals and the durations of many things by one statement each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from db.filters import UsageFilter
from db.queries import usage_sums as queries
from db.session import Database
from db.types import EPOCH
from engine.usage.intervals import Span
from engine.usage.totals import Durations, Totals
from engine.values import AliasPart

EVER: Span = (EPOCH, datetime(9999, 1, 1, tzinfo=UTC))
MOST_ROWS = 100_000
"""More than a batch of parents has currencies."""

Alike = tuple[str, Span | None]


def part_id(alias_id: str, version_id: str) -> str:
    """Returns what a version is known by as a part of an alias."""
    return f"{alias_id}/{version_id}"


@dataclass(frozen=True, slots=True)
class UsageOf:
    """What one thing used in a range of whole hours, or ever.

    `kind` is the column that holds its id; or it is an `AliasPart`, and the id is that of a `part_id`.
    """

    kind: str
    parent_id: str
    span: Span | None

    def split(self) -> tuple[str, Alike]:
        """Parts the id from what questions that go together have in common."""
        return self.parent_id, (self.kind, self.span)


class UsageLoads:
    """Reads usage for one project, of those models only that are named, if any are."""

    def __init__(self, database: Database, project_id: str, models: frozenset[str] | None) -> None:
        self._database = database
        self._project_id = project_id
        self._models = None if models is None else tuple(sorted(models))

    async def totals(self, alike: Alike, ids: Sequence[str]) -> list[Totals]:
        """Returns the totals of each id."""
        by, wanted = _columns(alike[0]), self._filter(alike, ids)
        async with self._database.read() as connection:
            rows = await queries.sums(connection, self._project_id, wanted, by, None, MOST_ROWS)
        found: dict[str, Totals] = {}
        for row in rows:
            found.setdefault(_id(row, by), Totals()).add(row)
        return [found.get(row_id) or Totals() for row_id in ids]

    async def durations(self, alike: Alike, ids: Sequence[str]) -> list[Durations]:
        """Returns the durations of each id."""
        by, wanted = _columns(alike[0]), self._filter(alike, ids)
        async with self._database.read() as connection:
            rows = await queries.sketches(connection, self._project_id, wanted, by, None)
        found: dict[str, Durations] = {}
        for row in rows:
            found.setdefault(_id(row, by), Durations()).add(row)
        return [found.get(row_id) or Durations() for row_id in ids]

    def _filter(self, alike: Alike, ids: Sequence[str]) -> UsageFilter:
        kind, span = alike
        since, until = span or EVER
        if kind in set(AliasPart):
            aliases = tuple({row_id.partition("/")[0] for row_id in ids})
            return UsageFilter(since, until, model_id=self._models, alias_id=aliases, part=(kind,))
        only = {kind: tuple(ids)}
        return UsageFilter(
            since,
            until,
            model_id=only.get("model_id", self._models),
            model_version_id=only.get("model_version_id"),
            api_key_id=only.get("api_key_id"),
            job_id=only.get("job_id"),
        )


def _columns(kind: str) -> tuple[str, ...]:
    return ("alias_id", "model_version_id") if kind in set(AliasPart) else (kind,)


def _id(row: Any, by: Sequence[str]) -> str:
    values = [getattr(row, name) for name in by]
    return values[0] if len(values) == 1 else part_id(*values)
