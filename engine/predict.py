"""Predictor: the one way a prediction is run.

Accepted → stored → run → finished. Before it is stored nothing is spent and a refusal leaves no
trace; from then on it ends in exactly one terminal status, whatever dies: its row names an owner and
a lease, the owner renews the lease while it lives, and `engine.recovery` takes over what it leaves.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import orjson

from db.queries import predictions as queries
from db.session import Database
from db.tables import PredictionRow
from db.types import created_at, new_id, now
from engine.bus.base import Bus
from engine.catalog import Catalog
from engine.errors import (
    ConflictError,
    DeadlineError,
    InvalidInputError,
    ModelError,
    NotFoundError,
    ProcessingError,
)
from engine.explanations import check_explainable
from engine.outcome import interrupted
from engine.runs import Run, Runs
from engine.serving import Served, Serving
from engine.values import DisconnectPolicy, PredictionData, PredictionStatus, PredictRequest, Viewer

MAX_WAIT_MS = 60_000
MAX_DEADLINE_MS = 24 * 3600 * 1000
MAX_METADATA_BYTES = 16 * 1024
CANCEL_SECONDS = 2.0


class Predictor:
    """Accepts, waits for, cancels and resumes predictions."""

    def __init__(self, database: Database, catalog: Catalog, serving: Serving, bus: Bus, runs: Runs) -> None:
        self._database = database
        self._catalog = catalog
        self._serving = serving
        self._bus = bus
        self._runs = runs

    async def run(self, viewer: Viewer, request: PredictRequest, request_id: str) -> PredictionRow:
        """Accepts a prediction, waits for it up to `wait_ms`, and returns it as it then is.

        When the waiting caller is cancelled the prediction goes on, or is canceled, as it asked.

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
        run = Run(row, request.data, served, accepted)
        task = self._runs.start(run)
        if request.wait_ms:
            try:
                await asyncio.wait([task], timeout=request.wait_ms / 1000)
            except asyncio.CancelledError:
                if request.on_disconnect is DisconnectPolicy.CANCEL:
                    run.cancel()
                raise
        return row

    async def cancel(self, project_id: str, prediction_id: str) -> None:
        """Cancels a prediction wherever it runs, and returns when it is terminal or in two seconds.

        Raises:
            NotFoundError: the project has no such prediction.
            ConflictError: it was terminal before.
        """
        async with self._database.write() as connection:
            rows = await queries.by_id(connection, project_id, [prediction_id])
            if not rows:
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
            await self._until_terminal(project_id, prediction_id)

    async def resume(self, abandoned: PredictionRow, *, max_attempts: int) -> None:
        """Takes over a prediction whose owner is gone: runs it again, or ends it where it may not be.

        Raises:
            ModelNotReadyError: this process does not serve its version now.
            DatabaseUnavailableError: nothing changed.
        """
        version = self._catalog.version_by_id(abandoned.model_version_id)
        assert version is not None
        served = self._serving.get(version)
        owner, lease_until = self._runs.owner, self._runs.lease_until(now())
        async with self._database.write() as connection:
            if not await queries.take_over(connection, abandoned, owner, lease_until):
                return
        row = PredictionRow(**{**abandoned._asdict(), "status": "QUEUED"})  # type: ignore[attr-defined]
        row.attempts += 1
        data = PredictionData(version.spec.task.member, row.input or {})
        waited = max(0.0, (now() - row.created_at).total_seconds())
        run = Run(row, data, served, time.perf_counter() - waited)
        error: ProcessingError | None
        if row.cancel_requested:
            status, error = PredictionStatus.CANCELED, None
        elif row.deadline_at is not None and row.deadline_at <= now():
            status, error = PredictionStatus.FAILED, DeadlineError()
        elif served.backend.is_repeatable and row.attempts < max_attempts:
            self._runs.start(run)
            return
        else:
            message = "The process that ran the prediction ended before it did."
            status, error = PredictionStatus.FAILED, ModelError(message, retryable=True)
        await self._runs.finish(run, interrupted(status, error, time.perf_counter(), served, data, None))

    async def _until_terminal(self, project_id: str, prediction_id: str) -> None:
        deadline = time.monotonic() + CANCEL_SECONDS
        while time.monotonic() < deadline:
            await asyncio.sleep(0.05)
            async with self._database.read() as connection:
                rows = await queries.by_id(connection, project_id, [prediction_id])
            if PredictionStatus(rows[0].status).is_terminal:
                return

    def _admit(self, viewer: Viewer, request: PredictRequest) -> Served:
        _check_bound("waitMs", request.wait_ms, 0, MAX_WAIT_MS)
        if request.deadline_ms is not None:
            _check_bound("deadlineMs", request.deadline_ms, 1, MAX_DEADLINE_MS)
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
        deadline = request.deadline_ms
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
            deadline_at=None if deadline is None else accepted_at + timedelta(milliseconds=deadline),
            owner=self._runs.owner,
            lease_until=self._runs.lease_until(accepted_at),
            explain=request.explain,
            meta=request.metadata,
            input=request.data.value,
        )


def _check_bound(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        message = f"{name} is from {least} to {most}."
        constraint = f"minimum: {least}, maximum: {most}"
        raise InvalidInputError(message, path=("input", name), constraint=constraint, received=value)
