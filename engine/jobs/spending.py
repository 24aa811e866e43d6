"""Spending: what of a chunk the budgets of its project cover; a job that runs out of money is paused."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from db.session import Database
from db.types import now
from engine.bus.base import Bus
from engine.errors import BudgetExceededError
from engine.jobs.chunk import Chunk, Running
from engine.jobs.control import pause_job
from engine.limits.budgets import BUSY_SECONDS, Budgets
from engine.limits.estimates import most_cost
from engine.money import Cost


class Spending:
    """Reserves money for chunks."""

    def __init__(self, database: Database, bus: Bus, budgets: Budgets) -> None:
        self._database = database
        self._bus = bus
        self._budgets = budgets

    async def afford(self, chunk: Chunk) -> Sequence[Running]:
        """Reserves what the items of a chunk may cost, and returns those that may run: the first few.

        Where there is not enough for one, the chunk waits if others have reserved the money, and else the
        job is paused, with the reason.
        """
        items = list(chunk.left.values())
        if not items or not await self._budgets.are_kept(chunk.job):
            return items
        costs = self._costs(chunk, items)
        count = len(items)
        while count:
            try:
                await self._reserve(chunk, None if costs is None else _total(costs[:count]))
                return items[:count]
            except BudgetExceededError as error:
                affordable = (
                    0 if costs is None or error.budget is None else _fit(costs, error.budget.free_nanos)
                )
                count = min(affordable, count - 1)
                refusal = error
        await self._refuse(chunk, refusal, costs)
        return []

    def _costs(self, chunk: Chunk, items: Sequence[Running]) -> list[Cost] | None:
        """Returns the most that each item may cost; None where that is not known of one."""
        at = now()
        costs = [most_cost(chunk.route.versions, running.item.data, at) for running in items]
        known = [cost for cost in costs if cost is not None]
        return known if len(known) == len(costs) else None

    async def _reserve(self, chunk: Chunk, most: Cost | None) -> None:
        reserve = self._budgets.reserve
        async with self._database.write(patient=True) as connection:
            if chunk.row.starts > 1:  # a worker that died has reserved for it before
                await self._budgets.settle(connection, chunk.holder, None)
            reserved = await reserve(connection, chunk.job, chunk.holder, most, job_id=chunk.job.id)
        chunk.is_budgeted = reserved

    async def _refuse(self, chunk: Chunk, error: BudgetExceededError, costs: Sequence[Cost] | None) -> None:
        budget = error.budget
        if costs and budget and budget.spent_nanos + costs[0].nanos <= budget.limit_nanos:
            chunk.wait(BUSY_SECONDS)
            return
        await self._budgets.tell_of_refusal(error)
        await pause_job(self._database, self._bus, chunk.job.id, error.message)


def _total(costs: Sequence[Cost]) -> Cost:
    return Cost(sum(cost.nanos for cost in costs), costs[0].currency)


def _fit(costs: Sequence[Cost], free: int) -> int:
    """Counts how many of the first items are covered by an amount."""
    return sum(together <= free for together in accumulate(cost.nanos for cost in costs))
