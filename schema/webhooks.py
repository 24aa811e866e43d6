"""Webhooks: their types, and the inputs and payloads of what is done with them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Self

import strawberry

from db.tables import WebhookDeliveryRow
from resolvers import webhooks as resolvers
from schema.access import Info
from schema.errors import UserError
from schema.nodes import Node, global_id, node_type
from schema.pages import Connection, window
from schema.scalars import URL
from schema.types import enum_type, input_type, object_type


@enum_type
class DeliveryStatus(StrEnum):
    """How far a delivery has come."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


@node_type
class WebhookDelivery(Node):
    """One event for one address; its id is the `webhook-id` that all attempts carry."""

    event: str = strawberry.field(description="What happened: `job.succeeded`, `prediction.failed`, …")
    url: URL = strawberry.field(description="Where it goes.")
    status: DeliveryStatus = strawberry.field(
        description="FAILED after ten attempts, or when the answer was 410."
    )
    attempts: int = strawberry.field(description="Attempts made.")
    last_status_code: int | None = strawberry.field(description="What the receiver answered last.")
    last_error: str | None = strawberry.field(description="Why there was no answer.")
    next_attempt_at: datetime | None = strawberry.field(description="When it is tried next.")
    created_at: datetime = strawberry.field(description="When it happened.")
    delivered_at: datetime | None = strawberry.field(description="When the receiver took it.")

    @classmethod
    def from_row(cls, row: WebhookDeliveryRow) -> Self:
        """Shapes a delivery."""
        return cls(
            id=global_id("WebhookDelivery", row.id),
            event=row.event,
            url=URL(row.url),
            status=DeliveryStatus(row.status),
            attempts=row.attempts,
            last_status_code=row.last_status_code,
            last_error=row.last_error,
            next_attempt_at=row.next_attempt_at,
            created_at=row.created_at,
            delivered_at=row.delivered_at,
        )


async def deliveries_of(
    info: Info,
    kind: str,
    parent_id: str,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
) -> Connection[WebhookDelivery]:
    """Loads a page of the deliveries of a job or a prediction, and shapes it."""
    page = await resolvers.deliveries_of(info.context, kind, parent_id, window(first, after, last, before))
    count = partial(info.context.loaders.delivery_count.load, (kind, parent_id))
    return Connection(page=page, shape=WebhookDelivery.from_row, count=count)


@input_type
class RedeliverWebhookInput:
    """A delivery to make again."""

    id: strawberry.ID = strawberry.field(description="The delivery's global id.")


@object_type
class RedeliverWebhookPayload:
    """The delivery, due again."""

    delivery: WebhookDelivery | None = strawberry.field(default=None, description="Null if it was refused.")
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@object_type
class RotateWebhookSecretPayload:
    """The new secret. The one before it signs beside it for 24 hours."""

    secret: str | None = strawberry.field(default=None, description="`whsec_…`, shown this once: keep it.")
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it was refused.")
