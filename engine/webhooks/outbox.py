"""Outbox: events that wait in the database to be delivered, written with what they tell of."""

from __future__ import annotations

import secrets
from base64 import b64encode
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from db.queries import webhooks as queries
from db.session import Database
from db.tables import PredictionRow, WebhookDeliveryRow, WebhookSecretRow
from db.types import now
from engine.audit import OPERATOR, Action, Actor, note
from engine.errors import NotFoundError
from engine.ids import global_id
from engine.webhooks.addresses import host_of

SECRET_BYTES = 32
OVERLAP = timedelta(hours=24)


async def tell_of_prediction(connection: AsyncConnection, row: PredictionRow) -> None:
    """Writes the event of a prediction that becomes terminal in this transaction, if it asked for one."""
    if row.callback_url is None:
        return
    data = {
        "id": global_id("Prediction", row.id),
        "status": row.status,
        "requestId": row.request_id,
        "metadata": row.meta,
    }
    event = f"prediction.{str(row.status).lower()}"
    await _add(connection, row.project_id, event, row.callback_url, data, prediction_id=row.id)


async def tell_of_job(
    connection: AsyncConnection,
    *,
    project_id: str,
    job_id: str,
    url: str | None,
    status: str,
    counts: dict[str, int],
    request_id: str,
    metadata: Any,
) -> None:
    """Writes the event of a job that becomes terminal in this transaction, if it asked for one."""
    if url is None:
        return
    data = {
        "id": global_id("Job", job_id),
        "status": status,
        "counts": counts,
        "requestId": request_id,
        "metadata": metadata,
    }
    await _add(connection, project_id, f"job.{status.lower()}", url, data, job_id=job_id)


async def tell_of_budget(
    connection: AsyncConnection, project_id: str, url: str, data: dict[str, Any]
) -> None:
    """Writes the event of a budget of which a part is spent that its owner wants to know of."""
    await _add(connection, project_id, "budget.threshold", url, data)


async def _add(
    connection: AsyncConnection,
    project_id: str,
    event: str,
    url: str,
    data: dict[str, Any],
    *,
    prediction_id: str | None = None,
    job_id: str | None = None,
) -> None:
    row = WebhookDeliveryRow(
        project_id=project_id,
        event=event,
        url=url,
        host=host_of(url),
        payload={"type": event, "timestamp": now().isoformat(timespec="milliseconds"), "data": data},
        prediction_id=prediction_id,
        job_id=job_id,
    )
    await queries.add(connection, row)


class Webhooks:
    """What callers and operators do with deliveries and secrets."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def redeliver(self, project_id: str, delivery_id: str) -> WebhookDeliveryRow:
        """Makes a delivery due now, with its whole schedule before it again.

        Raises:
            NotFoundError: the project has no such delivery.
        """
        async with self._database.write() as connection:
            if not await queries.redeliver(connection, project_id, delivery_id, now()):
                raise NotFoundError("There is no such delivery.", path=("input", "id"))
            return (await queries.by_id(connection, project_id, [delivery_id]))[0]

    async def rotate_secret(self, project_id: str, *, actor: Actor = OPERATOR) -> str:
        """Makes a new signing secret and returns it; the one before it signs beside it for 24 hours."""
        row = WebhookSecretRow(project_id=project_id, secret=new_secret())
        async with self._database.write() as connection:
            await queries.replace_secret(connection, row, now() + OVERLAP)
            await note(connection, actor, Action.WEBHOOK_SECRET_ROTATED, "webhooks", project_id=project_id)
        return row.secret


def new_secret() -> str:
    """Returns a signing secret as Standard Webhooks writes it."""
    return f"whsec_{b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"
