"""Budgets: how they stand, and setting them."""

from __future__ import annotations

from collections.abc import Sequence

from db.types import now
from engine.audit import actor_of
from engine.limits.ceilings import BudgetRequest
from engine.limits.windows import standing
from engine.money import Cost
from engine.standing import Budget, BudgetWindow
from resolvers.context import Context


async def budgets_of(context: Context, holder_id: str) -> Sequence[Budget]:
    """Returns the budgets of the viewer's project, by its id, or of one of its keys."""
    at = now()
    return [standing(row, at) for row in await context.loaders.budgets.load(holder_id)]


async def own_budgets(context: Context) -> Sequence[Budget]:
    """Returns the budgets that the viewer spends from: those of the project, then those of the key."""
    viewer = context.viewer
    holder_ids = [viewer.project_id, *([viewer.api_key_id] if viewer.api_key_id else [])]
    at = now()
    found = await context.loaders.budgets.load_many(holder_ids)
    return [standing(row, at) for rows in found for row in rows]


async def set_budget(
    context: Context,
    api_key_id: str | None,
    window: BudgetWindow,
    limit: Cost | None,
    callback_url: str | None,
) -> Budget | None:
    """Sets a budget of the viewer's project, and returns how it stands; None for one that was taken away."""
    viewer = context.viewer
    wanted = BudgetRequest(viewer.project_id, api_key_id, window, limit, callback_url)
    row = await context.services.ceilings.set(wanted, actor_of(viewer, context.request_id))
    return None if row is None else standing(row, now())
