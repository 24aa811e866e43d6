"""Statements about the predictions that are items of jobs. How they are stored: `chunks.add_items`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import String, select, update
from sqlalchemy import cast as sql_cast
from sqlalchemy.ext.asyncio import AsyncConnection

from db.queries.predictions import LISTED, UNLUCKY
from db.tables.predictions import PredictionRow, predictions

RESULT = ("id", "item_index", "custom_id", "status", "attempts", "output", "error", "explanation")


async def replace_failed(connection: AsyncConnection, job_id: str, *, permanent_too: bool) -> Sequence[int]:
    """Marks a job's failed items as replaced by what is to come, and returns their indexes, in order."""
    failed = [predictions.c.job_id == job_id, UNLUCKY, predictions.c.status == "FAILED"]
    if not permanent_too:
        failed.append(sql_cast(predictions.c.error, String).contains('"retryable":true'))
    statement = update(predictions).where(*failed, ~predictions.c.is_replaced).values(is_replaced=True)
    found = await connection.execute(statement.returning(predictions.c.item_index))
    return sorted(found.scalars().all())


async def ended_after(
    connection: AsyncConnection, project_id: str, job_id: str, sequence: int, limit: int
) -> Sequence[PredictionRow]:
    """Reads the items of a job in the order in which they ended, after a number, without large columns."""
    mine = (predictions.c.job_id == job_id, predictions.c.project_id == project_id)
    statement = select(*LISTED).where(*mine, predictions.c.job_sequence > sequence)
    found = await connection.execute(statement.order_by(predictions.c.job_sequence).limit(limit))
    return cast(Sequence[PredictionRow], found.all())


async def results_from(connection: AsyncConnection, job_id: str, index: int, limit: int) -> Sequence[Any]:
    """Reads results of a job in the order of its source, from an index on; JSON columns as their text."""
    columns = [
        sql_cast(column, String).label(column.key) if column.key in JSON_RESULT else column
        for column in (predictions.c[name] for name in RESULT)
    ]
    mine = (predictions.c.job_id == job_id, ~predictions.c.is_replaced, predictions.c.item_index >= index)
    statement = select(*columns).where(*mine).order_by(predictions.c.item_index).limit(limit)
    return (await connection.execute(statement)).all()


JSON_RESULT = ("output", "error", "explanation")
