"""Following a job: its progress, and its items as they end.

The bus only wakes: what is shown is read from the database, so nothing is lost with a message.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from db.queries import items as item_queries
from db.queries import jobs as queries
from db.tables import JobRow, PredictionRow
from engine.errors import NotFoundError
from engine.values import JobStatus
from resolvers.context import Context

TICK_SECONDS = 5.0
PAGE = 100


async def progress(context: Context, job_id: str, interval_seconds: float) -> AsyncGenerator[JobRow, None]:
    """Yields a job as it is, then as it last was at most once in an interval, up to its terminal status.

    Raises:
        NotFoundError: the project has no such job.
    """
    with context.services.bus.watch(f"job:{job_id}") as news:
        shown: tuple[str, int, int] | None = None
        while True:
            row = await _job(context, job_id)
            state = (row.status, row.sequence, row.canceled)
            if state != shown:
                shown = state
                yield row
            if JobStatus(row.status).is_terminal:
                return
            await asyncio.sleep(interval_seconds)
            await news.next(TICK_SECONDS)


async def results(context: Context, job_id: str, after: int) -> AsyncGenerator[PredictionRow, None]:
    """Yields the items of a job in the order in which they end, those after a number; ends with the job.

    Raises:
        NotFoundError: the project has no such job.
    """
    with context.services.bus.watch(f"job:{job_id}") as news:
        while True:
            row = await _job(context, job_id)
            while after < row.sequence:
                async with context.services.database.read() as connection:
                    items = await item_queries.ended_after(
                        connection, context.viewer.project_id, job_id, after, PAGE
                    )
                for item in items:
                    assert item.job_sequence is not None
                    after = item.job_sequence
                    yield item
            if JobStatus(row.status).is_terminal:
                return
            await news.next(TICK_SECONDS)


async def _job(context: Context, job_id: str) -> JobRow:
    async with context.services.database.read() as connection:
        rows = await queries.by_id(connection, context.viewer.project_id, [job_id])
    if not rows or not context.viewer.sees(rows[0].model_id):
        raise NotFoundError("There is no such job.", path=("id",))
    return rows[0]
