"""Shadows: copies of predictions that another version gets in the background, to compare its answers.

A copy is a prediction of its own, marked by what it is a copy of: stored before its version is asked, with
usage and cost, and ended by recovery if its process dies. It has no caller, webhook or rate limit, waits
behind every caller of its version, and is left out where too many run or a budget does not cover it: what it
copies neither knows nor waits.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import dataclass, field, replace

from db.errors import DatabaseUnavailableError
from db.queries import predictions as queries
from db.session import Database
from db.tables import NewPrediction
from db.types import created_at, new_id
from engine.answers import Question
from engine.catalog import CatalogVersion
from engine.errors import BudgetExceededError, ExpectedError
from engine.limits.budgets import Budgets
from engine.limits.estimates import most_cost
from engine.observer import UNOBSERVED, Observer
from engine.routing.router import Router
from engine.routing.routes import Route
from engine.runs import Run, Runs
from engine.serving import Served
from engine.values import PredictionStatus

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Shadows:
    """Copies what runs by an alias with a shadow, `limit` at once in this process; 0 copies nothing."""

    database: Database
    router: Router
    runs: Runs
    budgets: Budgets
    limit: int
    observer: Observer = UNOBSERVED
    dropped: int = 0
    """How many copies were not made: too many ran, the shadow could not be asked, or was too dear."""
    _copying: set[asyncio.Task[None]] = field(default_factory=set)

    def copy(self, run: Run) -> None:
        """Copies a prediction that has just begun, if its alias has a shadow and the lot falls on it.

        Returns at once; the copy is made beside.
        """
        alias = run.asked.route.alias
        if alias is None or alias.shadow is None or self.limit == 0:
            return
        version, rate = alias.shadow
        if random.random() >= rate:  # noqa: S311 - a sample guards nothing
            return
        route = Route(version, alias=alias)
        served = self._free(route, run) if len(self._copying) < self.limit else None
        if served is None:
            self._drop(version)
            return
        task = asyncio.create_task(self._run(self._shadow(run, served, route)), name="shadow")
        self._copying.add(task)
        task.add_done_callback(self._copying.discard)

    def _drop(self, version: CatalogVersion) -> None:
        self.dropped += 1
        self.observer.shadow_dropped(version.spec.name)

    def _free(self, route: Route, run: Run) -> Served | None:
        """Returns the shadow's version if it can take a copy of this now."""
        try:
            served = self.router.first(route, for_job=True)
            served.checker.check(run.asked.data)
        except ExpectedError:
            return None
        return None if self.router.gates.rests_for(served) else served

    def _shadow(self, run: Run, served: Served, route: Route) -> Run:
        row_id, original = new_id(), run.row
        at = created_at(row_id)
        row = NewPrediction(
            id=row_id,
            project_id=original.project_id,
            api_key_id=original.api_key_id,
            model_id=original.model_id,
            model_version_id=served.version.row.id,
            alias_id=original.alias_id,
            shadow_of=original.id,
            status=PredictionStatus.RUNNING,
            request_id=original.request_id,
            created_at=at,
            started_at=at,
            owner=self.runs.owner,
            lease_until=self.runs.lease_until(),
            input=original.input,
        )
        asked = Question(served, route, run.asked.data, None)
        shadow = Run(row, asked, time.perf_counter())
        shadow.tries = replace(shadow.tries, in_background=True)
        return shadow

    async def _run(self, shadow: Run) -> None:
        row, version = shadow.row, shadow.asked.served.version
        most = most_cost([version], shadow.asked.data, row.created_at)
        try:
            async with self.database.write() as connection:
                await queries.add(connection, row)
                shadow.is_budgeted = await self.budgets.reserve(connection, row, row.id, most)
        except BudgetExceededError:
            self._drop(version)
            return
        except DatabaseUnavailableError as error:
            log.warning("a shadow was not stored: %s", error)
            return
        await asyncio.wait([self.runs.start(shadow)])
