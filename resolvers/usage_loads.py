"""What the loaders of usage do: the totals and the durations of many things by one statement each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from db.filters import UsageFilter
from db.queries import usage_sums as queries
from db.session import Database
from db.types import EPOCH
from engine.usage.intervals import Span
from engine.usage.totals import Durations, Totals

EVER: Span = (EPOCH, datetime(9999, 1, 1, tzinfo=UTC))
MOST_ROWS = 100_000
"""More than a batch of parents has currencies."""

Alike = tuple[str, Span | None]


@dataclass(frozen=True, slots=True)
class UsageOf:
    """What one thing used in a range of whole hours, or ever; `kind` is the column that holds its id."""

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
        kind, wanted = alike[0], self._filter(alike, ids)
        async with self._database.read() as connection:
            rows = await queries.sums(connection, self._project_id, wanted, (kind,), None, MOST_ROWS)
        found = {row_id: Totals() for row_id in ids}
        for row in rows:
            found[getattr(row, kind)].add(row)
        return [found[row_id] for row_id in ids]

    async def durations(self, alike: Alike, ids: Sequence[str]) -> list[Durations]:
        """Returns the durations of each id."""
        kind, wanted = alike[0], self._filter(alike, ids)
        async with self._database.read() as connection:
            rows = await queries.sketches(connection, self._project_id, wanted, (kind,), None)
        found = {row_id: Durations() for row_id in ids}
        for row in rows:
            found[getattr(row, kind)].add(row)
        return [found[row_id] for row_id in ids]

    def _filter(self, alike: Alike, ids: Sequence[str]) -> UsageFilter:
        kind, span = alike
        since, until = span or EVER
        only = {kind: tuple(ids)}
        return UsageFilter(
            since,
            until,
            model_id=only.get("model_id", self._models),
            model_version_id=only.get("model_version_id"),
            api_key_id=only.get("api_key_id"),
            job_id=only.get("job_id"),
        )
