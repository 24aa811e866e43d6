"""Predictions: running them, and finding them again."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from db.filters import PredictionFilter
from db.pages import Page, Window
from db.queries import predictions as queries
from db.queries.predictions import Columns
from db.tables import PredictionRow
from engine.errors import ConflictError
from engine.predict import Accepted
from engine.values import DisconnectPolicy, PredictRequest
from resolvers.context import Context
from resolvers.loaders import CountOf, PredictionsOf
from resolvers.sight import seen

TO_REGISTRY = ("model_id", "model_version_id", "asked_version_id")
"""The columns that are read to go on to a model or a version."""


async def predict(context: Context, request: PredictRequest) -> Accepted:
    """Runs a prediction as `Predictor.run` says, and tells the loaders of it."""
    is_another = context.has_predicted
    context.has_predicted = True
    running = context.services.predictor.run(
        context.viewer, request, context.request_id, is_another=is_another
    )
    if request.on_disconnect is DisconnectPolicy.CANCEL and request.wait_ms:
        accepted = await _while_there(context, running)
    else:
        accepted = await running
    if not accepted.replayed:
        context.loaders.prime_prediction(accepted.row)
    return accepted


async def _while_there(context: Context, work: Coroutine[Any, Any, Accepted]) -> Accepted:
    """Awaits work, and cancels it when the caller goes away meanwhile.

    Raises:
        ConflictError: the caller has left; nobody reads it.
    """
    working, leaving = asyncio.create_task(work), asyncio.create_task(context.left.wait())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
    finally:
        leaving.cancel()
        working.cancel()
    raise ConflictError("The caller went away, and wanted the prediction canceled then.")


async def cancel(context: Context, prediction_id: str) -> PredictionRow:
    """Cancels a prediction as `Predictor.cancel` says, and returns it as it then is."""
    await context.services.predictor.cancel(context.viewer, prediction_id)
    row = await context.loaders.prediction.load(prediction_id)
    assert row is not None
    return row


async def predictions_page(
    context: Context, wanted: PredictionFilter, order: str, descending: bool, window: Window, columns: Columns
) -> Page[PredictionRow]:
    """Returns a page of the project's predictions, with some of their columns; None: all."""
    sorting = queries.order(order, descending=descending, of_job=wanted.job_id is not None)
    wanted = seen(context.viewer, wanted)
    async with context.services.database.read() as connection:
        page = await queries.page(connection, context.viewer.project_id, wanted, sorting, window, columns)
    await _tell_of(context, page, columns)
    return page


async def _tell_of(context: Context, page: Page[PredictionRow], columns: Columns) -> None:
    """Tells the loaders of rows that are whole, and the registry of edges that will lead to it."""
    if columns is None:
        for row in page.rows:
            context.loaders.prediction.prime(row.id, row)
    elif not columns.isdisjoint(TO_REGISTRY):
        await context.loaders.registry.refreshed()


async def count_predictions(context: Context, wanted: PredictionFilter) -> int:
    """Counts the predictions that a page is a part of."""
    wanted = seen(context.viewer, wanted)
    async with context.services.database.read() as connection:
        return await queries.count(connection, context.viewer.project_id, wanted)


async def predictions_of(
    context: Context,
    kind: str,
    parent_id: str,
    wanted: PredictionFilter,
    order: str,
    descending: bool,
    window: Window,
    columns: Columns,
) -> Page[PredictionRow]:
    """Returns a page of the predictions of a model, a version or a job, with some of their columns."""
    sorting = queries.order(order, descending=descending, of_job=kind == "job")
    asked = PredictionsOf(kind, parent_id, wanted, sorting, window, columns)
    page = await context.loaders.predictions_of.load(asked)
    await _tell_of(context, page, columns)
    return page


async def count_predictions_of(context: Context, kind: str, parent_id: str, wanted: PredictionFilter) -> int:
    """Counts the predictions that such a page is a part of."""
    return await context.loaders.prediction_count.load(CountOf(kind, parent_id, wanted))
