"""Runs: the predictions that this process owns, each in a task of its own that no caller's leaving ends."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from db.errors import DatabaseUnavailableError
from db.queries import predictions as queries
from db.session import Database
from db.tables import PredictionRow
from db.tables.base import with_changes
from db.types import new_id, now
from engine import log_ids, tracing
from engine.answers import Answers, Question
from engine.bus.base import Bus
from engine.errors import DeadlineError, InternalError, ProcessingError
from engine.lease_clock import LeaseClock
from engine.limits.budgets import Budgets
from engine.limits.service import Limits, Reservation
from engine.money import Cost
from engine.observer import UNOBSERVED, Observer
from engine.outcome import Outcome, generates, interrupted
from engine.routing.router import Tries
from engine.text_stream import TextStream
from engine.tracing import Kind
from engine.usage import ledger
from engine.values import PredictionStatus
from engine.webhooks import outbox

log = logging.getLogger(__name__)

FINISH_TRIES = 5
NEWS_AFTER_MS = 250
LISTEN_SECONDS = 60.0
NOBODYS: dict[str, Any] = {"owner": None, "lease_until": None}
"""Columns of what is terminal."""
NOT_SHARED: dict[str, Any] = dict.fromkeys(queries.LARGE)
"""Columns that are not kept with the end of a text: who shows them loads them."""


@dataclass(slots=True)
class Run:
    """A prediction that this process owns; its row is kept equal to the stored one."""

    row: PredictionRow
    asked: Question
    accepted: float
    tries: Tries = field(init=False)
    canceled: bool = False
    started: float = 0.0
    stream: TextStream | None = None
    reservation: Reservation | None = None
    is_budgeted: bool = True
    """Whether it may have reserved money; who takes one over does not know."""
    told: asyncio.Future[None] | None = field(default=None, init=False)
    """Done when its caller waits no longer; None without a caller."""
    task: asyncio.Task[Any] | None = field(default=None, init=False)
    is_at_work: bool = field(default=False, init=False)
    """Whether its task looks for the answer now, which is what a cancel stops."""

    def __post_init__(self) -> None:
        self.tries = Tries(self.asked.route, self.asked.served)

    def cancel(self) -> None:
        """Stops the work; what was generated is kept."""
        self.canceled = True
        if self.is_at_work and self.task is not None:
            self.task.cancel()


class Runs:
    """Starts, cancels and finishes predictions, and keeps their leases."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        answers: Answers,
        *,
        limits: Limits,
        budgets: Budgets,
        lease_seconds: float,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self.owner = new_id()
        self.clock = LeaseClock(database)
        self._observer = observer
        self._limits = limits
        self._budgets = budgets
        self._answers = answers
        self._database = database
        self._bus = bus
        self._lease = timedelta(seconds=lease_seconds)
        self._running: dict[str, Run] = {}
        self.is_ending = False

    def __len__(self) -> int:
        """Counts what this process owns now."""
        return len(self._running)

    def lease_until(self) -> datetime:
        """Returns until when a lease holds that is taken or renewed now."""
        return self.clock.now() + self._lease

    def get(self, prediction_id: str) -> Run | None:
        """Returns the run of a prediction that this process owns."""
        return self._running.get(prediction_id)

    def settle(self, run: Run, outcome: Outcome) -> None:
        """Fills the row of a prediction whose outcome is known before it is stored."""
        run.tries.leave()
        columns = outcome.columns(run.asked.served, run.accepted, now())
        run.row = with_changes(run.row, columns | NOBODYS)

    def start(self, run: Run) -> asyncio.Task[Any]:
        """Runs a stored prediction to its end; the task ends when its outcome is stored."""
        self._running[run.row.id] = run
        run.task = asyncio.create_task(self._traced(run), name=f"prediction {run.row.id}")
        run.task.add_done_callback(lambda _: self._ended(run))
        return run.task

    async def carry(self, run: Run) -> None:
        """Does the same in `run.task`, which stored it."""
        self._running[run.row.id] = run
        try:
            await self._traced(run)
        finally:
            self._ended(run)

    async def finish(self, run: Run, outcome: Outcome) -> None:
        """Stores an outcome, if the prediction is still open and ours, and then tells of it.

        A database that stays away leaves the prediction to `engine.recovery`, of this process or another.
        """
        columns = outcome.columns(run.tries.served, run.accepted, now())
        columns |= run.tries.columns() | {"attempts": run.row.attempts + run.tries.calls}
        finished = with_changes(run.row, columns | NOBODYS)
        for tried in range(FINISH_TRIES):
            try:
                async with self._database.write() as connection:
                    was_ours = await queries.finish(connection, run.row.id, self.owner, columns)
                    if was_ours:
                        await ledger.record(connection, [finished])
                        if run.is_budgeted:
                            await self._budgets.settle(connection, finished.id, _cost(finished))
                        await outbox.tell_of_prediction(connection, finished)
                break
            except DatabaseUnavailableError:
                await asyncio.sleep(0.1 * 2**tried)
        else:
            log.error("prediction %s could not be finished; its lease will run out", run.row.id)
            return
        if was_ours:
            run.row = finished
            self.tell(run)

    async def renew_leases(self) -> None:
        """Tells that this process still runs what it owns, and hears of cancels that the bus lost.

        Costs nothing while it owns nothing.
        """
        if not self._running:
            return
        async with self._database.write() as connection:
            await queries.renew_leases(connection, self.owner, list(self._running), self.lease_until())
            canceled = await queries.cancel_requests(connection, self.owner)
        for prediction_id in canceled:
            if run := self._running.get(prediction_id):
                run.cancel()

    async def listen(self) -> None:
        """Cancels what other processes are asked to cancel, until it is cancelled itself."""
        with self._bus.watch(f"cancel:{self.owner}") as requests:
            while True:
                if run := self._running.get(await requests.next(LISTEN_SECONDS)):
                    run.cancel()

    async def drain(self, grace_seconds: float) -> None:
        """Waits for what runs; what still runs after the grace time is left to be taken over.

        Nothing is taken over from now on: who would wait for it?
        """
        self.is_ending = True
        tasks = {
            run.task: prediction_id for prediction_id, run in self._running.items() if run.task is not None
        }
        if not tasks:
            return
        _, unfinished = await asyncio.wait(tasks, timeout=grace_seconds)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        if unfinished:
            left = [tasks[task] for task in unfinished]
            async with self._database.write() as connection:
                await queries.renew_leases(connection, self.owner, left, self.clock.now())

    async def _traced(self, run: Run) -> None:
        log_ids.name(request_id=run.row.request_id, prediction_id=run.row.id)
        model = run.asked.served.version.spec.name
        about = {"foretell.prediction.id": run.row.id, "foretell.model": model}
        with tracing.span(f"prediction {model}", Kind.INTERNAL, about) as span:
            try:
                await self._execute(run)
            finally:
                await self._limits.settle(run.reservation, _tokens(run.row))
            span.note({"foretell.status": run.row.status, "foretell.cached": run.row.cached})

    async def _execute(self, run: Run) -> None:
        is_generated = generates(run.asked.served.version.spec.task)
        if is_generated:  # who follows it may come before the first token
            self._bus.begin(run.row.id)
        if run.row.status == PredictionStatus.QUEUED and not await self._mark_running(run):
            return
        run.started = time.perf_counter()
        if is_generated:
            run.stream = TextStream(self._bus, run.row.id, told=run.told)
        try:
            outcome = self._stopped(run) if run.canceled else await self._outcome(run)
            await self.finish(run, outcome)
        except Exception:
            log.exception("the outcome of prediction %s can not be stored", run.row.id)
            await self.finish(run, self._interrupted(run, PredictionStatus.FAILED, InternalError()))

    async def _outcome(self, run: Run) -> Outcome:
        """Finds the outcome in the time that there is, or what there is of it when it is stopped."""
        run.is_at_work = True
        try:
            return await self._found_in_time(run)
        except asyncio.CancelledError:
            if not run.canceled:
                raise
            assert run.task is not None
            run.task.uncancel()
            return self._stopped(run)
        finally:
            run.is_at_work = False

    async def _found_in_time(self, run: Run) -> Outcome:
        if run.row.deadline_at is None:
            return await self._answers.find(run.asked, run.tries, run.stream)
        deadline = asyncio.timeout(max(0.0, (run.row.deadline_at - now()).total_seconds()))
        try:
            async with deadline:
                return await self._answers.find(run.asked, run.tries, run.stream)
        except TimeoutError:
            if not deadline.expired():
                raise
            await self._answers.was_late(run.tries)
            return self._interrupted(run, PredictionStatus.FAILED, DeadlineError())

    def _stopped(self, run: Run) -> Outcome:
        return self._interrupted(run, PredictionStatus.CANCELED, None)

    def _interrupted(self, run: Run, status: PredictionStatus, error: ProcessingError | None) -> Outcome:
        tries = run.tries
        outcome = interrupted(status, error, run.started, tries.served, run.asked.data, run.stream)
        if outcome.usage is None and run.stream is not None and tries.is_asking:
            outcome.usage = tries.served.backend.usage_of(run.asked.data, "")  # the prompt was read already
        return outcome

    def _ended(self, run: Run) -> None:
        self._running.pop(run.row.id, None)
        if run.row.finished_at is None:
            self._bus.leave(run.row.id)
        run.tries.leave()

    async def _mark_running(self, run: Run) -> bool:
        started_at = now()
        async with self._database.write() as connection:
            lease_until = self.lease_until()
            started = await queries.start(connection, run.row.id, self.owner, started_at, lease_until)
        if started:
            run.row.status, run.row.started_at = PredictionStatus.RUNNING, started_at
            self._bus.announce(f"prediction:{run.row.id}", run.row.status)
        return started

    def tell(self, run: Run) -> None:
        """Tells of the end; nobody can watch yet what came and went while its caller waited."""
        spec = run.tries.served.version.spec
        self._observer.prediction_ended(spec.name, run.row)
        if generates(spec.task):
            if run.stream is not None:
                run.stream.flush()
            is_followed = self._bus.is_followed(run.row.id)
            shown = with_changes(run.row, NOT_SHARED) if is_followed else run.row
            self._bus.end(run.row.id, {run.row.project_id: shown} if is_followed else {})
        is_known = run.told is None or run.told.done()
        if is_known or (run.row.total_ms or 0.0) > NEWS_AFTER_MS:
            self._bus.announce(f"prediction:{run.row.id}", run.row.status)


def _cost(row: PredictionRow) -> Cost | None:
    if row.cost_nanos is None or row.currency is None:
        return None
    return Cost(row.cost_nanos, row.currency)


def _tokens(row: PredictionRow) -> int:
    return 0 if row.cached else (row.input_tokens or 0) + (row.output_tokens or 0)
