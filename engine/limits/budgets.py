"""Budgets: hard ceilings for money. What may be spent is reserved before, what was spent is settled after.

Both happen in the transactions that store a prediction and its result, so that money and work never
disagree, whatever dies: what a dead process reserved is settled when its work is taken up and ends.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from db.queries import budgets as queries
from db.session import Database
from db.tables import BudgetRow
from db.types import now
from engine.errors import BudgetExceededError, UnpricedError
from engine.limits.base import Payer
from engine.limits.projects import Projects
from engine.limits.thresholds import tell_of_refusal, tell_of_spending
from engine.limits.windows import standing, starts_at
from engine.money import Cost, from_nanos
from engine.standing import Budget, LimitScope

BUSY_SECONDS = 1.0
"""When to ask again for money that running work has reserved, and will not use all of."""


class Budgets:
    """Takes from the budgets of projects and keys, and gives back.

    `allows_unpriced` lets work be done whose price is not known, although it can not be counted.
    """

    def __init__(self, database: Database, projects: Projects, *, allows_unpriced: bool = False) -> None:
        self._database = database
        self._projects = projects
        self._allows_unpriced = allows_unpriced

    async def are_kept(self, payer: Payer) -> bool:
        """Tells whether a project or one of its keys has a budget.

        Raises:
            DatabaseUnavailableError: that is not known.
        """
        return await self._projects.has_budgets(payer.project_id)

    async def reserve(
        self,
        connection: AsyncConnection,
        payer: Payer,
        holder: str,
        most: Cost | None,
        *,
        job_id: str | None = None,
    ) -> bool:
        """Reserves what work may cost at most, None where that is not known; returns whether anything was.

        Raises:
            BudgetExceededError: it does not fit; the transaction has to be rolled back.
        """
        if not await self.are_kept(payer):
            return False
        holder_ids = [payer.project_id, *([payer.api_key_id] if payer.api_key_id else [])]
        at = now()
        nanos, currency = (0, "") if most is None else (most.nanos, most.currency)
        rows = await queries.take(connection, holder_ids, nanos, currency, starts_at(at))
        counted = [row.id for row in rows if row.currency == currency]
        if len(counted) < len(rows) and not self._allows_unpriced:
            raise _unpriced(standing(rows[0], at), most)
        exceeded = [standing(row, at) for row in rows if row.id in counted and _is_exceeded(row)]
        if exceeded and nanos:  # what is free always fits
            raise _exceeded(max(exceeded, key=lambda budget: budget.spent_nanos - budget.limit_nanos), nanos)
        if counted and nanos:
            await queries.hold(connection, holder, counted, nanos, job_id)
        return bool(counted and nanos)

    async def settle(self, connection: AsyncConnection, holder: str, cost: Cost | None) -> None:
        """Gives back what a holder has reserved, and counts what it did cost; None for what is not known."""
        nanos, currency = (0, "") if cost is None else (cost.nanos, cost.currency)
        rows = await queries.settle(connection, holder, nanos, currency, starts_at(now()))
        await tell_of_spending(connection, rows)

    async def tell_of_refusal(self, error: BudgetExceededError) -> None:
        """Tells, once in a window, that a budget is used up: what was refused did not fit any more.

        What only the reservations of others stood in the way of does not say so, and neither does what is
        refused while much is left.
        """
        if error.budget is None or error.retryable or isinstance(error, UnpricedError):
            return
        async with self._database.write() as connection:
            await tell_of_refusal(connection, error.budget.id)


async def settle_job(connection: AsyncConnection, job_id: str) -> None:
    """Gives back whatever of a job that ends is still reserved: nobody runs it any more."""
    await queries.settle_job(connection, job_id, starts_at(now()))


def _is_exceeded(row: BudgetRow) -> bool:
    return row.spent_nanos + row.reserved_nanos > row.limit_nanos


def _exceeded(budget: Budget, nanos: int) -> BudgetExceededError:
    """Returns the refusal; `budget` holds the reservation already that did not fit."""
    whose = "key" if budget.scope is LimitScope.KEY else "project"
    spent, limit, most = (from_nanos(each) for each in (budget.spent_nanos, budget.limit_nanos, nanos))
    until = "" if budget.reset_at is None else f" It begins anew at {budget.reset_at:%Y-%m-%dT%H:%M}Z."
    known = f"{spent:f} of {limit:f} {budget.currency} are spent, and this may cost {most:f}."
    is_busy = budget.spent_nanos + nanos <= budget.limit_nanos
    others = " What runs now has reserved the rest: try again." if is_busy else until
    before = _without(budget, nanos)
    message = f"The {budget.window} budget of this {whose} does not cover it: {known}{others}"
    return BudgetExceededError(
        message, budget=before, retryable=is_busy, retry_after_seconds=BUSY_SECONDS if is_busy else None
    )


def _unpriced(budget: Budget, most: Cost | None) -> UnpricedError:
    what = "Its price is not known" if most is None else f"Its price is in {most.currency}"
    message = (
        f"{what}, so it can not be counted against the {budget.window} budget in {budget.currency}. Give the "
        "model version a price in that currency, or set FORETELL_BUDGETS_UNKNOWN_PRICE to allow."
    )
    nanos = 0 if most is None or most.currency != budget.currency else most.nanos
    return UnpricedError(message, budget=_without(budget, nanos))


def _without(budget: Budget, nanos: int) -> Budget:
    """Returns a budget as it was before an amount was reserved."""
    return replace(budget, reserved_nanos=budget.reserved_nanos - nanos)
