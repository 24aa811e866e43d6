"""Predictor: the one way a prediction is run.

Accepted → stored → run → finished. Before it is stored nothing is spent and a refusal leaves no
trace; from then on it ends in exactly one terminal status, whatever dies: its row names an owner and
a lease, the owner renews the lease while it lives, and `engine.recovery` takes over what it leaves.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import orjson

from db.queries import predictions as queries
from db.session import Database
from db.tables import NewPrediction, PredictionRow
from db.types import created_at, new_id, now
from engine.answers import Answers, Question, question, replayed
from engine.bus.base import Bus
from engine.cache.base import CachedAnswer
from engine.catalog import Catalog
from engine.errors import (
    BudgetExceededError,
    ConflictError,
    DeadlineError,
    InvalidInputError,
    ModelError,
    ModelNotReadyError,
    NotFoundError,
    ProcessingError,
    RateLimitedError,
)
from engine.explanations import check_explainable
from engine.idempotency import AlreadyDoneError, Claim, check_key, claiming, fingerprint, raise_earlier
from engine.limits.budgets import Budgets
from engine.limits.estimates import expected_tokens, most_cost
from engine.limits.service import Limits
from engine.outcome import generates, interrupted
from engine.routing.router import Router, Tries
from engine.routing.routes import Route
from engine.runs import Run, Runs
from engine.serving import Served, Serving
from engine.shadows import Shadows
from engine.text_stream import TextStream
from engine.together import check_together
from engine.usage import ledger
from engine.values import (
    DisconnectPolicy,
    ExplanationMethod,
    PredictionData,
    PredictionStatus,
    PredictRequest,
    Viewer,
)
from engine.webhooks import outbox
from engine.webhooks.addresses import check_url

MAX_WAIT_MS = 60_000
MAX_DEADLINE_MS = 24 * 3600 * 1000
MAX_METADATA_BYTES = 16 * 1024
CANCEL_SECONDS = 2.0
LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Accepted:
    """A prediction that was accepted, now or by an earlier request with the same idempotency key."""

    row: PredictionRow
    replayed: bool = False


class Predictor:
    """Accepts, waits for, cancels and resumes predictions."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        serving: Serving,
        router: Router,
        bus: Bus,
        answers: Answers,
        runs: Runs,
        shadows: Shadows,
        *,
        limits: Limits,
        budgets: Budgets,
        allowed_hosts: Collection[str] = (),
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._serving = serving
        self._router = router
        self._bus = bus
        self._allowed_hosts = allowed_hosts
        self._answers = answers
        self._runs = runs
        self._shadows = shadows
        self._limits = limits
        self._budgets = budgets

    async def run(
        self, viewer: Viewer, request: PredictRequest, request_id: str, *, is_another: bool = False
    ) -> Accepted:
        """Accepts a prediction, waits for it up to `wait_ms`, and returns it as it then is.

        When the waiting caller is cancelled the prediction goes on, or is canceled, as it asked. A
        repetition (by its idempotency key) waits for the first one, in whatever process it runs, and
        is not limited. `is_another` tells that its operation has asked for one before: it counts as a
        request of its own.

        Raises:
            NotFoundError: the project sees no such model or version.
            UnavailableError: the version can not be asked now.
            InvalidInputError, ManyErrors: the input does not fit the version.
            RateLimitedError: so many tokens, or a place, are not left.
            BudgetExceededError: it may cost more than a budget has left.
            IdempotencyKeyReusedError: the key stands for another request.
            DatabaseUnavailableError: it could not be stored, so it was not accepted.
        """
        accepted = time.perf_counter()
        route, served = self._admit(viewer, request)
        asked = question(viewer.project_id, request, served, route)
        run = Run(self._row(viewer, request, request_id, asked), asked, accepted)
        known = await self._answers.known(asked)
        if known is not None:
            self._settle(run, known)
        else:
            run.tries.place = self._router.gates.place(served)
        try:
            await self._start_and_wait(run, request, is_another=is_another)
        except AlreadyDoneError as earlier:
            return Accepted(await self._earlier(viewer, earlier.result_id, request.wait_ms), replayed=True)
        return Accepted(run.row)

    async def cancel(self, viewer: Viewer, prediction_id: str) -> None:
        """Cancels a prediction wherever it runs, and returns when it is terminal or in two seconds.

        Raises:
            NotFoundError: the viewer sees no such prediction.
            ConflictError: it was terminal before.
        """
        async with self._database.write() as connection:
            rows = await queries.by_id(connection, viewer.project_id, [prediction_id])
            if not rows or not viewer.sees(rows[0].model_id):
                raise NotFoundError("There is no such prediction.", path=("input", "id"))
            if PredictionStatus(rows[0].status).is_terminal:
                raise ConflictError(f"The prediction is {rows[0].status} already.", path=("input", "id"))
            await queries.request_cancel(connection, prediction_id)
        run = self._runs.get(prediction_id)
        if run is not None and run.task is not None:
            run.cancel()
            await asyncio.wait([run.task], timeout=CANCEL_SECONDS)
        else:
            self._bus.announce(f"cancel:{rows[0].owner}", prediction_id)
            await self._until_terminal(viewer.project_id, prediction_id, CANCEL_SECONDS)

    async def resume(self, abandoned: PredictionRow, *, max_attempts: int) -> None:
        """Takes over a prediction whose owner is gone: runs it, again if it may be, or else ends it.

        Raises:
            ModelNotReadyError: this process does not serve its version yet.
            DatabaseUnavailableError: nothing changed.
        """
        version = self._catalog.version_by_id(abandoned.model_version_id)
        if version is None:
            raise ModelNotReadyError("Another process registered its version since this one started.")
        served = self._serving.get_or_gone(version)
        owner, lease_until = self._runs.owner, self._runs.lease_until()
        async with self._database.write() as connection:
            if not await queries.take_over(connection, abandoned, owner, lease_until):
                return
        row = NewPrediction(**{**abandoned._asdict(), "status": "QUEUED"})  # type: ignore[attr-defined]
        was_begun = abandoned.status != PredictionStatus.QUEUED
        row.attempts += was_begun
        data = PredictionData(version.spec.task.member, row.input or {})
        waited = max(0.0, (now() - row.created_at).total_seconds())
        method = ExplanationMethod(row.explain) if row.explain else None
        route = self._router.again(row, version)
        run = Run(row, Question(served, route, data, method), time.perf_counter() - waited)
        error: ProcessingError | None
        if row.cancel_requested:
            status, error = PredictionStatus.CANCELED, None
        elif row.deadline_at is not None and row.deadline_at <= now():
            status, error = PredictionStatus.FAILED, DeadlineError()
        elif (served.backend.is_repeatable or not was_begun) and row.attempts < max_attempts:
            self._runs.start(run)
            return
        else:
            message = "The process that ran the prediction ended before it did."
            status, error = PredictionStatus.FAILED, ModelError(message, retryable=True)
        await self._runs.finish(run, interrupted(status, error, time.perf_counter(), served, data, None))

    def _settle(self, run: Run, known: CachedAnswer) -> None:
        """Gives a prediction the answer that is known before it is stored."""
        generated = generates(run.asked.served.version.spec.task)
        stream = TextStream(self._bus, run.row.id) if generated else None
        self._runs.settle(run, replayed(known, stream))

    async def _reserve(self, run: Run, claim: Claim, *, is_known: bool, is_another: bool) -> None:
        row, asked = run.row, run.asked
        try:
            if not is_known:
                tokens = expected_tokens(asked.served.version.spec, asked.data)
                reserve = self._limits.reserve
                run.reservation = await reserve(row, row.id, tokens=tokens, is_another=is_another)
            elif is_another:
                await self._limits.charge(row, 0)
        except RateLimitedError:
            await raise_earlier(self._database, claim)
            raise

    async def _store(self, run: Run, claim: Claim) -> None:
        row = run.row
        without_key = claim.key is None
        storing = self._database.write() if without_key else claiming(self._database, claim, row.id)
        async with storing as connection:
            await queries.add(connection, row)
            if row.finished_at is not None:
                await ledger.record(connection, [row])
                await outbox.tell_of_prediction(connection, row)
                return
            run.is_budgeted = await self._budgets.are_kept(row)
            if run.is_budgeted:
                most = most_cost(run.asked.route.versions, run.asked.data, row.created_at)
                run.is_budgeted = await self._budgets.reserve(connection, row, row.id, most)

    async def _start_and_wait(self, run: Run, request: PredictRequest, *, is_another: bool) -> None:
        # A task of its own: a caller who leaves while it is stored must not leave it without a run.
        run.told = told = asyncio.get_running_loop().create_future()
        run.task = asyncio.create_task(self._start_and_run(run, request, told, is_another=is_another))
        try:
            await told
        except asyncio.CancelledError:
            if request.on_disconnect is DisconnectPolicy.CANCEL:
                run.cancel()
            raise

    async def _start_and_run(
        self, run: Run, request: PredictRequest, told: asyncio.Future[None], *, is_another: bool
    ) -> None:
        """Stores a prediction and runs it; `told` is done when its caller has waited as long as he wants."""
        try:
            await self._start(run, request, is_another=is_another)
        except BaseException as error:
            if not told.done():
                told.set_exception(error)
            if isinstance(error, Exception):
                return
            raise
        if run.row.finished_at is not None:  # its answer was known
            self._runs.tell(run)
            _tell(told)
            return
        self._shadows.copy(run)
        if not request.wait_ms:
            _tell(told)
        waiting = asyncio.get_running_loop().call_later(request.wait_ms / 1000, _tell, told)
        try:
            await self._runs.carry(run)
        finally:
            waiting.cancel()
            _tell(told)

    async def _start(self, run: Run, request: PredictRequest, *, is_another: bool) -> None:
        """Stores a prediction; nothing of it is left where that can not be."""
        claim = _claim(run.row, request)
        is_known = run.row.finished_at is not None
        try:
            await self._reserve(run, claim, is_known=is_known, is_another=is_another)
            await self._store(run, claim)
        except BaseException as error:
            run.tries.leave()
            await self._limits.settle(run.reservation, 0)
            if isinstance(error, BudgetExceededError):
                await self._budgets.tell_of_refusal(error)
            raise

    async def _earlier(self, viewer: Viewer, prediction_id: str, wait_ms: int) -> PredictionRow:
        """Returns the prediction that a key stands for, when it is terminal or the wait is over."""
        run = self._runs.get(prediction_id)
        if run is not None and run.task is not None:
            await asyncio.wait([run.task], timeout=wait_ms / 1000)
        else:
            await self._until_terminal(viewer.project_id, prediction_id, wait_ms / 1000)
        async with self._database.read() as connection:
            rows = await queries.by_id(connection, viewer.project_id, [prediction_id])
        return rows[0]

    async def _until_terminal(self, project_id: str, prediction_id: str, seconds: float) -> None:
        """Returns when a prediction of another process is terminal, or the time is over."""
        deadline = time.monotonic() + seconds
        with self._bus.watch(f"prediction:{prediction_id}") as news:
            while True:
                async with self._database.read() as connection:
                    rows = await queries.by_id(connection, project_id, [prediction_id])
                left = deadline - time.monotonic()
                if PredictionStatus(rows[0].status).is_terminal or left <= 0:
                    return
                await news.next(min(left, LOOK_SECONDS))

    def _admit(self, viewer: Viewer, request: PredictRequest) -> tuple[Route, Served]:
        checks = [partial(_check_bound, "waitMs", request.wait_ms, 0, MAX_WAIT_MS)]
        if request.deadline_ms is not None:
            checks.append(partial(_check_bound, "deadlineMs", request.deadline_ms, 1, MAX_DEADLINE_MS))
        check_together(checks)
        if request.metadata is not None and len(orjson.dumps(request.metadata)) > MAX_METADATA_BYTES:
            raise InvalidInputError(
                f"The metadata takes more than {MAX_METADATA_BYTES} bytes.",
                path=("input", "metadata"),
                constraint=f"maxLength: {MAX_METADATA_BYTES}",
            )
        if request.idempotency_key is not None:
            check_key(request.idempotency_key)
        if request.callback_url is not None:
            check_url(request.callback_url, self._allowed_hosts)
        route = self._router.route(viewer, request.model, request.version, request.sticky_key)
        served = self._router.first(route)
        served.checker.check(request.data)
        if request.explain is not None:
            check_explainable(served.version.spec, request.data)
        return route, served

    def _row(
        self, viewer: Viewer, request: PredictRequest, request_id: str, asked: Question
    ) -> PredictionRow:
        """Returns the row of a new prediction, which starts at once, so it is RUNNING."""
        row_id = new_id()
        accepted_at = created_at(row_id)
        deadline = request.deadline_ms
        return NewPrediction(
            id=row_id,
            project_id=viewer.project_id,
            api_key_id=viewer.api_key_id,
            model_id=asked.served.version.model.id,
            alias_id=asked.route.alias_id,
            **Tries(asked.route, asked.served).columns(),
            status=PredictionStatus.RUNNING,
            request_id=request_id,
            created_at=accepted_at,
            started_at=accepted_at,
            deadline_at=None if deadline is None else accepted_at + timedelta(milliseconds=deadline),
            owner=self._runs.owner,
            lease_until=self._runs.lease_until(),
            explain=request.explain,
            callback_url=request.callback_url,
            meta=request.metadata,
            input=request.data.value,
        )


def _claim(row: PredictionRow, request: PredictRequest) -> Claim:
    key = request.idempotency_key
    asked = fingerprint(_asked(request)) if key is not None else b""
    return Claim(row.project_id, "predict", key, row.request_id, asked)


def _asked(request: PredictRequest) -> dict[str, Any]:
    """Returns what makes two requests the same: everything but how long their callers wait."""
    left_out = ("wait_ms", "idempotency_key", "on_disconnect")
    return {name: value for name, value in asdict(request).items() if name not in left_out}


def _check_bound(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        message = f"{name} is from {least} to {most}."
        constraint = f"minimum: {least}, maximum: {most}"
        raise InvalidInputError(message, path=("input", name), constraint=constraint, received=value)


def _tell(told: asyncio.Future[None]) -> None:
    if not told.done():
        told.set_result(None)
