"""Statements about what waits to be done, over all projects: for metrics, so they read few rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.queries.jobs import ACTIVE
from db.tables.jobs import chunks, jobs
from db.tables.webhooks import webhook_deliveries


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits: jobs by status, chunks, and webhooks, with how long the first has been due."""

    jobs: dict[str, int]
    open_chunks: int
    offered_chunks: int
    webhooks: int
    webhook_due_at: datetime | None


async def backlog(connection: AsyncConnection) -> Backlog:
    """Counts it, in three statements that indexes answer."""
    active = select(jobs.c.status, func.count(), func.sum(jobs.c.open_chunks)).where(
        jobs.c.status.in_(ACTIVE)
    )
    found = (await connection.execute(active.group_by(jobs.c.status))).all()
    offered = select(func.count()).select_from(chunks).where(chunks.c.state == "offered")
    pending = select(func.count(), func.min(webhook_deliveries.c.next_attempt_at)).where(
        webhook_deliveries.c.status == "PENDING"
    )
    offered_chunks = (await connection.execute(offered)).scalar_one()
    webhooks, due_at = (await connection.execute(pending)).one()
    return Backlog(
        jobs=dict.fromkeys(ACTIVE, 0) | {status: number for status, number, _ in found},
        open_chunks=sum(int(of_status) for _, _, of_status in found),
        offered_chunks=offered_chunks,
        webhooks=webhooks,
        webhook_due_at=due_at,
    )
