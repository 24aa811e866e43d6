"""A thousand calls at once against one budget, of random costs, some of which die: it is never passed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.queries import budgets as queries
from db.session import Database
from engine.audit import OPERATOR
from engine.errors import BudgetExceededError
from engine.keys import Keys
from engine.limits.budgets import Budgets
from engine.limits.ceilings import BudgetRequest, Ceilings
from engine.limits.projects import Projects
from engine.money import Cost
from engine.standing import BudgetWindow
from engine.values import Scope, Viewer

CALLS = 1_000
MOST = 100
CONNECTIONS = 16  # of the pool; the others wait for one, which it lets them do for 30 seconds only
ENDINGS = ("ends", "ends", "ends", "fails", "dies before its commit", "dies after it")


class DiedError(Exception):
    """The process is gone."""


@dataclass
class Spent:
    """What calls have come to."""

    nanos: int = 0
    refused: int = 0
    abandoned: int = 0


@pytest.mark.slow
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), limit=st.integers(1, CALLS * MOST // 3))
async def test_a_thousand_calls_at_once_never_pass_a_budget(
    any_database: Database, seed: int, limit: int
) -> None:
    random = Random(seed)
    keys = Keys(any_database)
    project = await keys.create_project(f"project {random.random()}")
    key = (await keys.create(project.id, "key", Scope))[0]
    viewer = Viewer(project.id, key.id, "key", frozenset())
    projects = Projects(any_database)
    ceilings = Ceilings(any_database, projects)
    for key_id, window in ((None, BudgetWindow.TOTAL), (key.id, BudgetWindow.DAY)):
        await ceilings.set(BudgetRequest(project.id, key_id, window, Cost(limit, "USD")), OPERATOR)
    desk = _Desk(any_database, Budgets(any_database, projects), viewer, random)
    watching = asyncio.create_task(desk.watch())

    await asyncio.gather(*(desk.call(f"{project.id[:20]} {number}") for number in range(CALLS)))
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    await desk.take_up_what_is_left()

    rows = await ceilings.of_project(project.id)
    async with any_database.read() as connection:
        held = await queries.held(connection)
    assert desk.passed == []
    assert [(row.spent_nanos, row.reserved_nanos) for row in rows] == [(desk.spent.nanos, 0)] * 2
    assert not {row.id for row in rows} & set(held)
    assert desk.spent.nanos <= limit
    assert desk.spent.refused > 0


class _Desk:
    """Reserves and settles, as predictions do, and looks whether a budget is ever passed."""

    def __init__(self, database: Database, budgets: Budgets, viewer: Viewer, random: Random) -> None:
        self.spent = Spent()
        self.passed: list[tuple[int, int]] = []
        self._database = database
        self._budgets = budgets
        self._viewer = viewer
        self._random = random
        self._left: list[tuple[str, Cost]] = []
        self._turns = asyncio.Semaphore(CONNECTIONS)

    async def call(self, holder: str) -> None:
        most, ending = self._random.randint(0, MOST), self._random.choice(ENDINGS)
        cost = Cost(self._random.randint(0, most), "USD")
        try:
            async with self._turns, self._database.write() as connection:
                await self._budgets.reserve(connection, self._viewer, holder, Cost(most, "USD"))
                if ending == "dies before its commit":
                    raise DiedError
        except (BudgetExceededError, DiedError) as error:
            self.spent.refused += isinstance(error, BudgetExceededError)
            return
        await asyncio.sleep(self._random.random() / 100)
        if ending == "dies after it":
            self._left.append((holder, cost))
        else:
            await self._settle(holder, None if ending == "fails" else cost, counted=most > 0)

    async def take_up_what_is_left(self) -> None:
        """Settles what the dead have left, as those do who take their predictions up."""
        for holder, cost in self._left:
            await self._settle(holder, cost, counted=True)

    async def watch(self) -> None:
        """Looks again and again whether more is spent and reserved than there is."""
        while True:
            async with self._database.read() as connection:
                rows = await queries.of_project(connection, self._viewer.project_id)
            self.passed += [
                (row.spent_nanos + row.reserved_nanos, row.limit_nanos)
                for row in rows
                if row.spent_nanos + row.reserved_nanos > row.limit_nanos
            ]
            await asyncio.sleep(0.005)

    async def _settle(self, holder: str, cost: Cost | None, *, counted: bool) -> None:
        async with self._turns, self._database.write() as connection:
            await self._budgets.settle(connection, holder, cost)
        self.spent.nanos += cost.nanos if cost is not None and counted else 0
