"""Statements about webhooks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import Column, ColumnElement, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.pages import Order, Page, Window, read_page_per_parent
from db.tables.jobs import jobs
from db.tables.predictions import predictions
from db.tables.webhooks import WebhookDeliveryRow, WebhookSecretRow, webhook_deliveries, webhook_secrets

PARENTS: Mapping[str, tuple[Column[Any], Column[Any]]] = {
    "job": (webhook_deliveries.c.job_id, jobs.c.id),
    "prediction": (webhook_deliveries.c.prediction_id, predictions.c.id),
}
NEWEST_FIRST = Order("CREATED_AT", (webhook_deliveries.c.id,), descending=True)


async def add(connection: AsyncConnection, row: WebhookDeliveryRow) -> None:
    """Stores a delivery, in the transaction that stores what it tells of."""
    await connection.execute(insert(webhook_deliveries).values(row.model_dump()))


class Due(NamedTuple):
    """A delivery whose next attempt is due."""

    id: str
    host: str
    next_attempt_at: datetime


async def due(
    connection: AsyncConnection, at: datetime, limit: int, full_hosts: Collection[str] = ()
) -> list[Due]:
    """Finds pending deliveries whose next attempt is due, the oldest first, but those to some hosts."""
    pending = (webhook_deliveries.c.status == "PENDING", webhook_deliveries.c.next_attempt_at <= at)
    statement = select(*(webhook_deliveries.c[name] for name in Due._fields)).where(*pending)
    if full_hosts:
        statement = statement.where(webhook_deliveries.c.host.not_in(full_hosts))
    found = await connection.execute(statement.order_by(webhook_deliveries.c.next_attempt_at).limit(limit))
    return [Due(*row) for row in found.all()]


async def take(connection: AsyncConnection, due: Due, until: datetime) -> WebhookDeliveryRow | None:
    """Takes a due delivery for a while and returns it; None if somebody was faster."""
    statement = update(webhook_deliveries).where(*_as_it_was(due.id, due.next_attempt_at))
    found = await connection.execute(statement.values(next_attempt_at=until).returning(*webhook_deliveries.c))
    return cast(WebhookDeliveryRow | None, found.first())


async def change(connection: AsyncConnection, taken: WebhookDeliveryRow, changes: Mapping[str, Any]) -> bool:
    """Notes what came of an attempt; returns False if it was taken or made due again meanwhile."""
    statement = update(webhook_deliveries).where(*_as_it_was(taken.id, taken.next_attempt_at))
    return (await connection.execute(statement.values(**changes))).rowcount == 1


def _as_it_was(delivery_id: str, next_attempt_at: datetime | None) -> list[ColumnElement[bool]]:
    """A pending delivery that nobody touched since."""
    return [
        webhook_deliveries.c.id == delivery_id,
        webhook_deliveries.c.status == "PENDING",
        webhook_deliveries.c.next_attempt_at == next_attempt_at,
    ]


async def redeliver(connection: AsyncConnection, project_id: str, delivery_id: str, at: datetime) -> bool:
    """Makes a delivery due again, whatever became of it; returns whether the project has it."""
    mine = (webhook_deliveries.c.project_id == project_id, webhook_deliveries.c.id == delivery_id)
    statement = update(webhook_deliveries).where(*mine)
    changes = statement.values(status="PENDING", attempts=0, next_attempt_at=at)
    return (await connection.execute(changes)).rowcount == 1


async def by_id(
    connection: AsyncConnection, project_id: str, ids: Sequence[str]
) -> Sequence[WebhookDeliveryRow]:
    """Finds a project's deliveries by id, in no particular order."""
    mine = (webhook_deliveries.c.project_id == project_id, webhook_deliveries.c.id.in_(ids))
    found = await connection.execute(select(webhook_deliveries).where(*mine))
    return cast(Sequence[WebhookDeliveryRow], found.all())


async def pages_of(
    connection: AsyncConnection, parent: str, parent_ids: Sequence[str], project_id: str, window: Window
) -> list[Page[WebhookDeliveryRow]]:
    """Reads a page of a project's deliveries, newest first, for each of some parents (a key of `PARENTS`)."""
    statement = select(webhook_deliveries).where(webhook_deliveries.c.project_id == project_id)
    return await read_page_per_parent(
        connection, statement, PARENTS[parent], parent_ids, NEWEST_FIRST, window
    )


async def counts_of(
    connection: AsyncConnection, parent: str, parent_ids: Sequence[str], project_id: str
) -> Mapping[str, int]:
    """Counts a project's deliveries for each of some parents."""
    foreign, _ = PARENTS[parent]
    mine = (webhook_deliveries.c.project_id == project_id, foreign.in_(parent_ids))
    found = await connection.execute(select(foreign, func.count()).where(*mine).group_by(foreign))
    return {key: count for key, count in found.all()}


async def secrets(connection: AsyncConnection, project_id: str, at: datetime) -> Sequence[WebhookSecretRow]:
    """Reads the secrets that sign for a project at a time, the newest first."""
    live = or_(webhook_secrets.c.expires_at.is_(None), webhook_secrets.c.expires_at > at)
    statement = select(webhook_secrets).where(webhook_secrets.c.project_id == project_id, live)
    found = await connection.execute(statement.order_by(webhook_secrets.c.id.desc()))
    return cast(Sequence[WebhookSecretRow], found.all())


async def replace_secret(
    connection: AsyncConnection, row: WebhookSecretRow, old_expires_at: datetime
) -> None:
    """Stores a new secret; those before it sign for a while longer."""
    earlier = (webhook_secrets.c.project_id == row.project_id, webhook_secrets.c.expires_at.is_(None))
    await connection.execute(update(webhook_secrets).where(*earlier).values(expires_at=old_expires_at))
    await connection.execute(insert(webhook_secrets).values(row.model_dump()))
