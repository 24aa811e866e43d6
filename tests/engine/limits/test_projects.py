"""What a process knows of projects: read once, and again when there is news."""

from __future__ import annotations

import asyncio

from db.queries import keys as queries
from db.session import Database
from engine.audit import OPERATOR
from engine.bus.memory import MemoryBus
from engine.keys import Keys
from engine.limits.ceilings import BudgetRequest, Ceilings
from engine.limits.memory import MemoryBuckets
from engine.limits.projects import Projects
from engine.limits.service import Limits
from engine.limits.tiers import Tier
from engine.money import Cost
from engine.standing import BudgetWindow
from engine.values import Viewer
from tests.statements import recorded

TIERS = {"free": Tier(requests=1), "paid": Tier(requests=2), "busy": Tier(concurrency=1)}


async def test_a_tier_is_read_once_and_a_change_is_known_after_a_refresh(database: Database) -> None:
    project = await Keys(database).create_project("ours")
    projects = Projects(database, TIERS)
    with recorded(database) as statements:
        before = [await projects.tier(project.id) for _ in range(3)]
    async with database.write() as connection:
        await queries.change_tier(connection, project.id, "paid")

    unread = await projects.tier(project.id)
    await projects.refresh()

    assert len(statements) == 1
    assert before == [TIERS["free"]] * 3
    assert unread == TIERS["free"]
    assert await projects.tier(project.id) == TIERS["paid"]


async def test_a_tier_that_the_settings_do_not_know_is_the_usual_one(database: Database) -> None:
    project = await Keys(database).create_project("ours", "gone")

    assert await Projects(database, TIERS).tier(project.id) == TIERS["free"]


async def test_the_first_budget_of_a_project_is_known_at_once_wherever_the_bus_reaches(
    database: Database,
) -> None:
    project = await Keys(database).create_project("ours")
    bus, here, there = MemoryBus(), Projects(database), Projects(database)
    before = [await each.has_budgets(project.id) for each in (here, there)]
    listening = asyncio.create_task(there.run(bus))
    await asyncio.sleep(0)

    wanted = BudgetRequest(project.id, None, BudgetWindow.DAY, Cost(1, "USD"))
    await Ceilings(database, here, bus).set(wanted, OPERATOR)
    async with asyncio.timeout(4):  # before it would look by itself
        while not await there.has_budgets(project.id):  # noqa: ASYNC110 - nothing tells when it has come
            await asyncio.sleep(0.01)
    listening.cancel()

    assert before == [False, False]
    assert await here.has_budgets(project.id)


async def test_the_place_of_what_runs_long_is_kept(database: Database) -> None:
    project = await Keys(database).create_project("ours", "busy")
    viewer = Viewer(project.id, None, "user", frozenset())
    clock = Clock()
    buckets = MemoryBuckets(lease_seconds=30, clock=clock)
    limits = Limits(Projects(database, TIERS), buckets, lease_seconds=0.03)
    reservation = await limits.reserve(viewer, "a", tokens=0)
    renewing = asyncio.create_task(limits.run())

    for _ in range(3):
        clock.now += 20
        await clock.was_read()
        (standing,) = await limits.standing(viewer)
        assert standing.remaining == 0
    renewing.cancel()
    clock.now += 31

    (standing,) = await limits.standing(viewer)
    assert standing.remaining == 1
    await limits.settle(reservation, 0)


class Clock:
    """A clock that stands still, and tells when it was read."""

    def __init__(self) -> None:
        self.now = 0.0
        self._read = asyncio.Event()

    def __call__(self) -> float:
        self._read.set()
        return self.now

    async def was_read(self) -> None:
        """Waits until somebody reads it again."""
        self._read.clear()
        await self._read.wait()
