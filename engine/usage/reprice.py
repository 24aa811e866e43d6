"""Repricing: charges what has ended again, by the prices as they are dated now, after one was wrong.

Works page by page. A page's transaction corrects predictions and ledger, takes the days it touches out
of their rollups (a sketch can not be subtracted from), and notes it in the audit, so that all sums are
equal after each; folding adds those days up again. Repeating it changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from db.queries import audit
from db.queries import models as model_queries
from db.queries import usage as queries
from db.queries import usage_prices as price_queries
from db.session import Database
from db.tables import AuditRow, PriceRow
from engine.audit import Action
from engine.money import Cost, charge, price_at
from engine.usage.intervals import whole_hours
from engine.usage.ledger import Folding, day_of
from engine.values import Usage, UsageSource

PAGE = 5000

Prices = Mapping[str, Sequence[PriceRow]]


@dataclass(slots=True)
class Repriced:
    """How many predictions cost something else now, and what they cost together before and after."""

    predictions: int = 0
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    """Nano units by currency."""

    def add(self, row: Any, cost: Cost | None) -> None:
        """Counts a prediction whose cost changes."""
        self.predictions += 1
        if row.cost_nanos is not None:
            self.before[row.currency] += row.cost_nanos
        if cost is not None:
            self.after[cost.currency] += cost.nanos


async def reprice(
    database: Database,
    project_id: str,
    since: datetime,
    until: datetime,
    *,
    actor: str,
    version_id: str | None = None,
) -> Repriced:
    """Charges a project's predictions that ended in a range again.

    Raises:
        InvalidInputError: the range is empty.
        DatabaseUnavailableError: some pages are done, the rest is not; it can be repeated.
    """
    whole_hours(since, until)
    repriced = Repriced()
    note = AuditRow(
        project_id=project_id, actor=actor, action=Action.USAGE_REPRICED, subject=version_id or "all"
    )
    after: tuple[datetime, str] | None = None
    prices: dict[str, Sequence[PriceRow]] = {}
    while True:
        async with database.write() as connection:
            await queries.lock_folding(connection)
            rows = await price_queries.page(connection, project_id, since, until, version_id, after, PAGE)
            await _read_prices(connection, prices, rows)
            changed = [(row, cost) for row in rows if _differs(row, cost := _cost(row, prices))]
            for row, cost in changed:
                repriced.add(row, cost)
            if changed:
                note.details = _details(since, until, repriced)
                await _store(connection, project_id, changed)
                await audit.put(connection, note)
        if len(rows) < PAGE:
            break
        after = rows[-1].finished_at, rows[-1].prediction_id
    if repriced.predictions:
        await _fold(database)
    return repriced


async def _read_prices(
    connection: AsyncConnection, prices: dict[str, Sequence[PriceRow]], rows: Sequence[Any]
) -> None:
    missing = sorted({row.model_version_id for row in rows} - set(prices))
    found = await model_queries.prices_of(connection, missing)
    for version_id in missing:
        prices[version_id] = [row for row in found if row.model_version_id == version_id]


async def _store(
    connection: AsyncConnection, project_id: str, changed: Sequence[tuple[Any, Cost | None]]
) -> None:
    costs = {
        row.prediction_id: (cost.nanos, cost.currency) if cost else (None, None) for row, cost in changed
    }
    await price_queries.change_costs(connection, costs)
    days = {(day_of(row.finished_at), row.model_version_id) for row, _ in changed}
    for day, version_id in sorted(days):
        await price_queries.unfold(connection, project_id, day, version_id)


async def _fold(database: Database) -> None:
    """Adds everything up again, unless the folding of another process is at it."""
    folding = Folding(database)
    while await folding.fold():
        pass


def _cost(row: Any, prices: Prices) -> Cost | None:
    """Returns what a prediction costs; one that used nothing known costs nothing known."""
    if row.usage_source is None:
        return None
    usage = Usage(
        UsageSource(row.usage_source),
        row.records,
        row.input_tokens,
        row.cached_input_tokens,
        row.output_tokens,
    )
    return charge(price_at(prices[row.model_version_id], row.finished_at), usage, cached=row.cached)


def _differs(row: Any, cost: Cost | None) -> bool:
    now = (None, None) if cost is None else (cost.nanos, cost.currency)
    return (row.cost_nanos, row.currency) != now


def _details(since: datetime, until: datetime, repriced: Repriced) -> dict[str, Any]:
    return {
        "from": since.isoformat(),
        "to": until.isoformat(),
        "predictions": repriced.predictions,
        "before": dict(repriced.before),
        "after": dict(repriced.after),
    }
