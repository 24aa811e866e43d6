"""Statements about budgets: taking from them, giving back, and setting them.

What is taken is added first and judged by what the UPDATE returns: whoever finds that it was too much
rolls its transaction back. The rows are locked in the order of their ids, so that two who take from the
same budgets can not wait for each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import BigInteger, ColumnElement, case, delete, func, insert, literal, select, update
from sqlalchemy import cast as sql_cast
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.budgets import BudgetRow, budget_holds, budgets
from db.types import Time


@dataclass(frozen=True, slots=True)
class Starts:
    """When the day and the month began."""

    day: datetime
    month: datetime


async def take(
    connection: AsyncConnection, holder_ids: Sequence[str], nanos: int, currency: str, starts: Starts
) -> Sequence[BudgetRow]:
    """Reserves an amount of every budget of some holders that has its currency, and returns all of them."""
    amount = case((budgets.c.currency == currency, literal(nanos, BigInteger)), else_=0)
    locked = select(budgets.c.id).where(budgets.c.holder_id.in_(holder_ids))
    ids = locked.order_by(budgets.c.id).with_for_update()  # SQLite has one writer anyway
    changed = update(budgets).where(budgets.c.id.in_(ids))
    values = {"reserved_nanos": budgets.c.reserved_nanos + amount, **_begun(starts)}
    found = await connection.execute(changed.values(values).returning(*budgets.c))
    return cast(Sequence[BudgetRow], found.all())


async def hold(
    connection: AsyncConnection, holder: str, budget_ids: Sequence[str], nanos: int, job_id: str | None
) -> None:
    """Notes who holds what was reserved."""
    rows = [
        {"holder": holder, "budget_id": budget_id, "nanos": nanos, "job_id": job_id}
        for budget_id in budget_ids
    ]
    await connection.execute(insert(budget_holds), rows)


async def settle(
    connection: AsyncConnection, holder: str, nanos: int, currency: str, starts: Starts
) -> Sequence[BudgetRow]:
    """Gives back what a holder has reserved, counts as spent what it did cost, and returns those budgets."""
    return await _settle(connection, budget_holds.c.holder == holder, nanos, currency, starts)


async def settle_job(connection: AsyncConnection, job_id: str, starts: Starts) -> None:
    """Gives back whatever chunks of a job have reserved."""
    await _settle(connection, budget_holds.c.job_id == job_id, 0, "", starts)


async def _settle(
    connection: AsyncConnection, mine: ColumnElement[bool], nanos: int, currency: str, starts: Starts
) -> Sequence[BudgetRow]:
    # The budgets first, as everywhere: who locks the holds first could wait for one who has the budgets.
    held = select(budget_holds.c.budget_id).where(mine)
    ids = select(budgets.c.id).where(budgets.c.id.in_(held)).order_by(budgets.c.id).with_for_update()
    of_it = budget_holds.c.budget_id == budgets.c.id
    given = select(func.sum(budget_holds.c.nanos)).where(mine, of_it).correlate(budgets).scalar_subquery()
    cost = case((budgets.c.currency == currency, literal(nanos, BigInteger)), else_=0)
    begun = _begun(starts)
    values = begun | {
        "reserved_nanos": budgets.c.reserved_nanos - sql_cast(given, BigInteger),
        "spent_nanos": begun["spent_nanos"] + cost,
    }
    changed = update(budgets).where(budgets.c.id.in_(ids)).values(values)
    rows = (await connection.execute(changed.returning(*budgets.c))).all()
    if rows:
        await connection.execute(delete(budget_holds).where(mine))
    return cast(Sequence[BudgetRow], rows)


async def tell(connection: AsyncConnection, budget_id: str, percent: int) -> bool:
    """Notes that a threshold was told of; returns whether it was not before."""
    untold = (budgets.c.id == budget_id, budgets.c.told < percent)
    return (await connection.execute(update(budgets).where(*untold).values(told=percent))).rowcount == 1


async def of_holders(
    connection: AsyncConnection, project_id: str, holder_ids: Sequence[str]
) -> Sequence[BudgetRow]:
    """Finds budgets of a project, by whom they hold for; of each the shortest period first."""
    mine = (budgets.c.project_id == project_id, budgets.c.holder_id.in_(holder_ids))
    statement = select(budgets).where(*mine).order_by(budgets.c.holder_id, budgets.c.period)
    return cast(Sequence[BudgetRow], (await connection.execute(statement)).all())


async def of_project(connection: AsyncConnection, project_id: str) -> Sequence[BudgetRow]:
    """Lists every budget of a project and its keys."""
    statement = select(budgets).where(budgets.c.project_id == project_id)
    found = await connection.execute(statement.order_by(budgets.c.holder_id, budgets.c.period))
    return cast(Sequence[BudgetRow], found.all())


async def by_id(connection: AsyncConnection, budget_id: str) -> BudgetRow | None:
    """Finds a budget, and locks it."""
    found = await connection.execute(select(budgets).where(budgets.c.id == budget_id).with_for_update())
    return cast(BudgetRow | None, found.first())


async def find(connection: AsyncConnection, holder_id: str, period: str) -> BudgetRow | None:
    """Finds the budget of a holder for a period, and locks it."""
    wanted = (budgets.c.holder_id == holder_id, budgets.c.period == period)
    found = await connection.execute(select(budgets).where(*wanted).with_for_update())
    return cast(BudgetRow | None, found.first())


async def add(connection: AsyncConnection, row: BudgetRow) -> None:
    """Stores a budget.

    Raises:
        UniqueViolationError: the holder has one for that period.
    """
    await connection.execute(insert(budgets).values(row.model_dump()))


async def change(connection: AsyncConnection, budget_id: str, **changes: Any) -> None:
    """Changes columns of a budget."""
    await connection.execute(update(budgets).where(budgets.c.id == budget_id).values(**changes))


async def remove(connection: AsyncConnection, budget_id: str) -> None:
    """Deletes a budget, and what is held of it."""
    await connection.execute(delete(budget_holds).where(budget_holds.c.budget_id == budget_id))
    await connection.execute(delete(budgets).where(budgets.c.id == budget_id))


async def held(connection: AsyncConnection) -> Mapping[str, int]:
    """Adds up what is held, by budget; for those who check the books."""
    summed = select(budget_holds.c.budget_id, func.sum(budget_holds.c.nanos))
    found = await connection.execute(summed.group_by(budget_holds.c.budget_id))
    return {budget_id: int(nanos) for budget_id, nanos in found.all()}


def _begun(starts: Starts) -> dict[str, ColumnElement[Any]]:
    """Returns the columns of a budget in its period of now: one that has passed leaves nothing spent."""
    day, month = literal(starts.day, Time), literal(starts.month, Time)
    start = case((budgets.c.period == "DAY", day), (budgets.c.period == "MONTH", month))
    has_passed = budgets.c.period_start < start  # never for TOTAL, where this is NULL
    return {
        "period_start": case((has_passed, start), else_=budgets.c.period_start),
        "spent_nanos": case((has_passed, literal(0, BigInteger)), else_=budgets.c.spent_nanos),
        "told": case((has_passed, 0), else_=budgets.c.told),
    }
