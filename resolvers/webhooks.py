"""Webhooks: deliveries and the secret that signs them."""

from __future__ import annotations

from db.pages import Page, Window
from db.tables import WebhookDeliveryRow
from engine.audit import actor_of
from engine.errors import NotFoundError
from resolvers.context import Context
from resolvers.loaders import DeliveriesOf


async def redeliver(context: Context, delivery_id: str) -> WebhookDeliveryRow:
    """Makes a delivery of the project due again.

    Raises:
        NotFoundError: the viewer sees no such delivery.
    """
    if context.viewer.models is not None and await context.loaders.delivery.load(delivery_id) is None:
        raise NotFoundError("There is no such delivery.", path=("input", "id"))
    return await context.services.webhooks.redeliver(context.viewer.project_id, delivery_id)


async def rotate_secret(context: Context) -> str:
    """Gives the project a new signing secret and returns it."""
    actor = actor_of(context.viewer, context.request_id)
    return await context.services.webhooks.rotate_secret(context.viewer.project_id, actor=actor)


async def deliveries_of(
    context: Context, kind: str, parent_id: str, window: Window
) -> Page[WebhookDeliveryRow]:
    """Returns a page of the deliveries of a job or a prediction, newest first."""
    page = await context.loaders.deliveries_of.load(DeliveriesOf(kind, parent_id, window))
    for row in page.rows:
        context.loaders.delivery.prime(row.id, row)
    return page
