"""Budgets for tests: setting them, and looking at the books."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from db.queries import budgets as queries
from db.tables import BudgetRow, WebhookDeliveryRow
from db.tables.budgets import budgets
from db.tables.webhooks import webhook_deliveries
from engine.audit import OPERATOR
from engine.limits.ceilings import BudgetRequest, Ceilings
from engine.money import Cost
from engine.standing import BudgetWindow
from tests.engine.workshop import Workshop


async def set_budget(
    workshop: Workshop,
    nanos: int | None,
    window: BudgetWindow = BudgetWindow.TOTAL,
    *,
    of_key: bool = False,
    currency: str = "USD",
    callback_url: str | None = None,
) -> None:
    """Sets a budget of the workshop's project, or of its key."""
    ceilings = Ceilings(workshop.database, workshop.here.projects, allowed_hosts=["127.0.0.1"])
    key_id = workshop.viewer.api_key_id if of_key else None
    limit = None if nanos is None else Cost(nanos, currency)
    wanted = BudgetRequest(workshop.viewer.project_id, key_id, window, limit, callback_url)
    await ceilings.set(wanted, OPERATOR)


async def all_budgets(workshop: Workshop) -> list[BudgetRow]:
    """Reads every budget, the oldest first."""
    async with workshop.database.read() as connection:
        rows = (await connection.execute(select(budgets).order_by(budgets.c.id))).all()
    return [BudgetRow(**row._asdict()) for row in rows]


async def only_budget(workshop: Workshop) -> BudgetRow:
    """Reads the only budget there is."""
    (row,) = await all_budgets(workshop)
    return row


async def books(workshop: Workshop) -> tuple[int, int, int]:
    """Returns what is spent and reserved of the only budget, and what is held: the last two are equal."""
    row = await only_budget(workshop)
    async with workshop.database.read() as connection:
        held = await queries.held(connection)
    return row.spent_nanos, row.reserved_nanos, held.get(row.id, 0)


async def told(workshop: Workshop) -> list[dict[str, Any]]:
    """Reads the data of the webhooks about budgets, in order."""
    mine = webhook_deliveries.c.event == "budget.threshold"
    statement = select(webhook_deliveries).where(mine).order_by(webhook_deliveries.c.id)
    async with workshop.database.read() as connection:
        rows = (await connection.execute(statement)).all()
    return [WebhookDeliveryRow(**row._asdict()).payload["data"] for row in rows]
