"""Statements that change what was charged, in predictions and ledger alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.queries.usage import TOKENS
from db.tables.predictions import predictions
from db.tables.usage import daily_rollups, rollups, usage
from db.types import Time

DAY = timedelta(days=1)


async def page(
    connection: AsyncConnection,
    project_id: str,
    since: datetime,
    until: datetime,
    version_id: str | None,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Sequence[Any]:
    """Reads what a project's predictions used and were charged, by the time they ended.

    A row has `prediction_id`, `model_version_id`, `finished_at`, `usage_source`, tokens and records (None
    where they do not apply), `cached`, `cost_nanos` and `currency`.
    """
    place = (usage.c.finished_at, usage.c.prediction_id)
    names = ("usage_source", "cached", "cost_nanos", "currency", *TOKENS)
    columns = [*place, usage.c.model_version_id, *(predictions.c[name] for name in names)]
    statement = (
        select(*columns)
        .select_from(usage.join(predictions, predictions.c.id == usage.c.prediction_id))
        .where(usage.c.project_id == project_id, place[0] >= since, place[0] < until)
    )
    if version_id is not None:
        statement = statement.where(usage.c.model_version_id == version_id)
    if after is not None:
        statement = statement.where(tuple_(*place) > tuple_(literal(after[0], Time), literal(after[1])))
    return (await connection.execute(statement.order_by(*place).limit(limit))).all()


async def change_costs(
    connection: AsyncConnection, costs: Mapping[str, tuple[int | None, str | None]]
) -> None:
    """Changes the cost of predictions (nano units and currency), and of their ledger rows."""
    values = [{"key": key, "nanos": nanos, "name": name} for key, (nanos, name) in costs.items()]
    for table, key in ((predictions, predictions.c.id), (usage, usage.c.prediction_id)):
        statement = update(table).where(key == bindparam("key"))
        changed = statement.values(cost_nanos=bindparam("nanos"), currency=bindparam("name"))
        await connection.execute(changed, values)


async def unfold(connection: AsyncConnection, project_id: str, day: datetime, version_id: str) -> None:
    """Takes a day of a version out of its rollups; only while `lock_folding` holds."""
    for table in (rollups, daily_rollups):
        of = (table.c.project_id == project_id, table.c.model_version_id == version_id)
        within = (table.c.hour >= day, table.c.hour < day + DAY)
        await connection.execute(delete(table).where(*of, *within))
    rows = (usage.c.project_id == project_id, usage.c.model_version_id == version_id)
    ended = (usage.c.finished_at >= day, usage.c.finished_at < day + DAY)
    await connection.execute(update(usage).where(*rows, *ended, usage.c.folded).values(folded=False))
