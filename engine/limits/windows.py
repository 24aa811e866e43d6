"""Windows: when the days and months of budgets begin and end, in UTC."""

from __future__ import annotations

from datetime import datetime, timedelta

from db.queries.budgets import Starts
from db.tables import BudgetRow
from engine.standing import Budget, BudgetWindow, LimitScope


def starts_at(at: datetime) -> Starts:
    """Returns when the day and the month of a time began."""
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return Starts(day, day.replace(day=1))


def start_of(window: BudgetWindow, at: datetime) -> datetime:
    """Returns when the window of a time began; TOTAL begins with the budget."""
    starts = starts_at(at)
    return {BudgetWindow.DAY: starts.day, BudgetWindow.MONTH: starts.month}.get(window, at)


def end_of(window: BudgetWindow, at: datetime) -> datetime | None:
    """Returns when the window of a time ends; None for TOTAL, which never does."""
    starts = starts_at(at)
    match window:
        case BudgetWindow.DAY:
            return starts.day + timedelta(days=1)
        case BudgetWindow.MONTH:
            return (starts.month + timedelta(days=32)).replace(day=1)
        case _:
            return None


def standing(row: BudgetRow, at: datetime) -> Budget:
    """Returns how a budget stands at a time: what was spent in a window before counts no more."""
    window = BudgetWindow(row.period)
    has_passed = window is not BudgetWindow.TOTAL and row.period_start < start_of(window, at)
    return Budget(
        id=row.id,
        window=window,
        scope=LimitScope.PROJECT if row.api_key_id is None else LimitScope.KEY,
        limit_nanos=row.limit_nanos,
        spent_nanos=0 if has_passed else row.spent_nanos,
        reserved_nanos=row.reserved_nanos,
        currency=row.currency,
        reset_at=end_of(window, at),
    )
