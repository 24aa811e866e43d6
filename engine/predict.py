"""Predictor: the one way a prediction is run.

Accepted → stored → run → finished. Before it is stored nothing is spent and a refusal leaves no
trace; from then on it ends in exactly one terminal status, whatever dies: its row names an owner and
a lease, the owner renews the lease while it lives, and `engine.recovery` takes over what it leaves.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import timedelta

import orjson

from db.errors import DatabaseUnavailableError
from db.queries import predictions as queries
from db.session import Database
from db.tables import PredictionRow
from db.types import created_at, new_id, now
from engine.catalog import Catalog
from engine.errors import InvalidInputError, ModelError
from engine.explanations import check_explainable
from engine.outcome import Outcome, find_outcome
from engine.serving import Served, Serving
from engine.values import ExplanationMethod, PredictionData, PredictionStatus, PredictRequest, Viewer

log = logging.getLogger(__name__)

MAX_WAIT_MS = 60_000
MAX_METADATA_BYTES = 16 * 1024
FINISH_TRIES = 5


@dataclass(slots=True)
class _Run:
    """A prediction that this process owns; its row is kept equal to the stored one."""

    row: PredictionRow
    data: PredictionData
    served: Served
    accepted: float


class Predictor:
    """Runs predictions in this process, each in a task of its own that no caller's leaving ends."""

    def __init__(
        self, database: Database, catalog: Catalog, serving: Serving, *, lease_seconds: float
    ) -> None:
        self.owner = new_id()
        self._database = database
        self._catalog = catalog
        self._serving = serving
        self._lease = timedelta(seconds=lease_seconds)
        self._running: dict[str, asyncio.Task[None]] = {}

    @property
    def running(self) -> int:
        """How many predictions this process owns now."""
        return len(self._running)

    async def run(self, viewer: Viewer, request: PredictRequest, request_id: str) -> PredictionRow:
        """Accepts a prediction, waits for it up to `wait_ms`, and returns it as it then is.

        Raises:
            NotFoundError: the project sees no such model or version.
            UnavailableError: the version can not be asked now.
            InvalidInputError, ManyErrors: the input does not fit the version.
            DatabaseUnavailableError: it could not be stored, so it was not accepted.
        """
        accepted = time.perf_counter()
        served = self._admit(viewer, request)
        row = self._row(viewer, request, request_id, served)
        async with self._database.write() as connection:
            await queries.add(connection, row)
        task = self._start(_Run(row, request.data, served, accepted))
        if request.wait_ms:
            await asyncio.wait([task], timeout=request.wait_ms / 1000)
        return row

    async def resume(self, abandoned: PredictionRow, *, max_attempts: int) -> None:
        """Takes over a prediction whose owner is gone: runs it again, or fails it where it may not be.

        Raises:
            DatabaseUnavailableError: nothing changed.
        """
        version = self._catalog.version_by_id(abandoned.model_version_id)
        assert version is not None
        served = self._serving.get(version)
        async with self._database.write() as connection:
            if not await queries.take_over(connection, abandoned, self.owner, now() + self._lease):
                return
        row = PredictionRow(**{**abandoned._asdict(), "status": "QUEUED"})  # type: ignore[attr-defined]
        row.attempts += 1
        data = PredictionData(version.spec.task.member, row.input or {})
        waited = max(0.0, (now() - row.created_at).total_seconds())
        run = _Run(row, data, served, time.perf_counter() - waited)
        if served.backend.is_repeatable and row.attempts < max_attempts:
            self._start(run)
        else:
            error = ModelError("The process that ran the prediction ended before it did.", retryable=True)
            await self._finish(run, Outcome(PredictionStatus.FAILED, error=error))

    async def renew_leases(self) -> None:
        """Tells that this process still runs what it owns; costs nothing while it owns nothing."""
        if self._running:
            async with self._database.write() as connection:
                await queries.renew_leases(connection, self.owner, now() + self._lease)

    async def drain(self, grace_seconds: float) -> None:
        """Waits for what runs; what still runs after the grace time is left to be taken over."""
        if not self._running:
            return
        _, unfinished = await asyncio.wait(self._running.values(), timeout=grace_seconds)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        if unfinished:
            async with self._database.write() as connection:
                await queries.renew_leases(connection, self.owner, now())

    def _admit(self, viewer: Viewer, request: PredictRequest) -> Served:
        if not 0 <= request.wait_ms <= MAX_WAIT_MS:
            raise InvalidInputError(
                f"waitMs is from 0 to {MAX_WAIT_MS}.",
                path=("input", "waitMs"),
                constraint=f"maximum: {MAX_WAIT_MS}",
                received=request.wait_ms,
            )
        if request.metadata is not None and len(orjson.dumps(request.metadata)) > MAX_METADATA_BYTES:
            raise InvalidInputError(
                f"The metadata takes more than {MAX_METADATA_BYTES} bytes.",
                path=("input", "metadata"),
                constraint=f"maxLength: {MAX_METADATA_BYTES}",
            )
        model = self._catalog.model(viewer.project_id, request.model)
        served = self._serving.get(self._catalog.version(model, request.version))
        served.checker.check(request.data)
        if request.explain is not None:
            check_explainable(served.version.spec, request.data)
        return served

    def _row(self, viewer: Viewer, request: PredictRequest, request_id: str, served: Served) -> PredictionRow:
        """Returns the row of a new prediction: one whose caller waits starts at once, so it is RUNNING."""
        row_id = new_id()
        accepted_at = created_at(row_id)
        starts = request.wait_ms > 0
        return PredictionRow(
            id=row_id,
            project_id=viewer.project_id,
            api_key_id=viewer.api_key_id,
            model_id=served.version.model.id,
            model_version_id=served.version.row.id,
            status=PredictionStatus.RUNNING if starts else PredictionStatus.QUEUED,
            request_id=request_id,
            created_at=accepted_at,
            started_at=accepted_at if starts else None,
            owner=self.owner,
            lease_until=accepted_at + self._lease,
            explain=request.explain,
            meta=request.metadata,
            input=request.data.value,
        )

    def _start(self, run: _Run) -> asyncio.Task[None]:
        task = asyncio.create_task(self._execute(run), name=f"prediction {run.row.id}")
        self._running[run.row.id] = task
        task.add_done_callback(lambda _: self._running.pop(run.row.id, None))
        return task

    async def _execute(self, run: _Run) -> None:
        if run.row.status == PredictionStatus.QUEUED and not await self._mark_running(run):
            return
        run.row.attempts += 1
        method = ExplanationMethod(run.row.explain) if run.row.explain else None
        outcome = await find_outcome(run.served, run.data, method)
        await self._finish(run, outcome)

    async def _mark_running(self, run: _Run) -> bool:
        started_at = now()
        async with self._database.write() as connection:
            lease_until = started_at + self._lease
            started = await queries.start(connection, run.row.id, self.owner, started_at, lease_until)
        if started:
            run.row.status, run.row.started_at = PredictionStatus.RUNNING, started_at
        return started

    async def _finish(self, run: _Run, outcome: Outcome) -> None:
        columns = outcome.columns(run.served, run.accepted, now()) | {"attempts": run.row.attempts}
        for tried in range(FINISH_TRIES):
            try:
                async with self._database.write() as connection:
                    was_ours = await queries.finish(connection, run.row.id, self.owner, columns)
                break
            except DatabaseUnavailableError:
                await asyncio.sleep(0.1 * 2**tried)
        else:
            log.error("prediction %s could not be finished; its lease will run out", run.row.id)
            return
        if was_ours:
            for name, value in columns.items():
                setattr(run.row, name, value)
