"""Thresholds: webhooks that tell how much of a budget is spent, each once in a window."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncConnection

from db.queries import budgets as queries
from db.tables import BudgetRow
from db.types import now
from engine.ids import global_id
from engine.limits.windows import standing
from engine.money import from_nanos
from engine.webhooks import outbox

THRESHOLDS = (50, 80, 100)
"""In percent of the limit."""
NEARLY_ALL = THRESHOLDS[-2]


async def tell_of_spending(connection: AsyncConnection, rows: Iterable[BudgetRow]) -> None:
    """Writes the webhooks of the thresholds that budgets have reached in this transaction."""
    for row in rows:
        reached = [each for each in THRESHOLDS if row.spent_nanos * 100 >= each * row.limit_nanos]
        await _tell(connection, row, [each for each in reached if each > row.told])


async def tell_of_refusal(connection: AsyncConnection, budget_id: str) -> None:
    """Writes the webhooks of a budget of which too little is left: nearly all is spent."""
    row = await queries.by_id(connection, budget_id)
    if row is not None and row.spent_nanos * 100 >= NEARLY_ALL * row.limit_nanos:
        await _tell(connection, row, [each for each in THRESHOLDS if each > row.told])


async def _tell(connection: AsyncConnection, row: BudgetRow, percents: list[int]) -> None:
    if not percents or not await queries.tell(connection, row.id, percents[-1]):
        return
    budget = standing(row, now())
    reset_at = None if budget.reset_at is None else budget.reset_at.isoformat(timespec="milliseconds")
    for percent in percents if row.callback_url is not None else ():
        data = {
            "threshold": percent,
            "window": budget.window,
            "scope": budget.scope,
            "projectId": global_id("Project", row.project_id),
            "apiKeyId": None if row.api_key_id is None else global_id("ApiKey", row.api_key_id),
            "limit": _money(budget.limit_nanos, row.currency),
            "spent": _money(budget.spent_nanos, row.currency),
            "resetAt": reset_at,
        }
        await outbox.tell_of_budget(connection, row.project_id, row.callback_url or "", data)


def _money(nanos: int, currency: str) -> dict[str, str]:
    return {"amount": f"{from_nanos(nanos):f}", "currency": currency}
