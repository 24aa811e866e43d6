"""Webhooks: deliveries and the secret that signs them."""

from __future__ import annotations

from db.tables import WebhookDeliveryRow
from resolvers.context import Context


async def redeliver(context: Context, delivery_id: str) -> WebhookDeliveryRow:
    """Makes a delivery of the project due again."""
    return await context.services.webhooks.redeliver(context.viewer.project_id, delivery_id)


async def rotate_secret(context: Context) -> str:
    """Gives the project a new signing secret and returns it."""
    return await context.services.webhooks.rotate_secret(context.viewer.project_id)
