"""Webhooks: what is to be delivered and how far that came, and the secrets that sign it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from db.tables.base import id_field, reference, table_of
from db.types import Id, Json, Time, now

DUE = "status = 'PENDING'"


class WebhookDeliveryRow(SQLModel, table=True):
    """One event for one address, written with what it tells of; its id is the `webhook-id`."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        Index("ix_delivery_due", "next_attempt_at", "host",
              sqlite_where=text(DUE), postgresql_where=text(DUE)),
        Index("ix_delivery_job", "job_id", "id"),
        Index("ix_delivery_prediction", "prediction_id", "id"),
        Index("ix_delivery_project", "project_id", "id"),
    )  # fmt: skip

    id: str = id_field()
    project_id: str = reference("project.id")
    event: str = Field(max_length=64)
    url: str = Field(max_length=2048)
    host: str = Field(max_length=255)
    payload: dict[str, Any] = Field(sa_type=Json)
    prediction_id: str | None = Field(default=None, sa_type=Id)
    job_id: str | None = Field(default=None, sa_type=Id)
    status: str = Field(default="PENDING", max_length=16)
    attempts: int = Field(default=0)
    last_status_code: int | None = Field(default=None)
    last_error: str | None = Field(default=None)
    next_attempt_at: datetime | None = Field(default_factory=now, sa_type=Time)
    created_at: datetime = Field(default_factory=now, sa_type=Time)
    delivered_at: datetime | None = Field(default=None, sa_type=Time)


class WebhookSecretRow(SQLModel, table=True):
    """A project's signing secret; while one is being replaced both sign."""

    __tablename__ = "webhook_secret"
    __table_args__ = (Index("ix_webhook_secret_project", "project_id"),)

    id: str = id_field()
    project_id: str = reference("project.id")
    secret: str = Field(max_length=128)
    created_at: datetime = Field(default_factory=now, sa_type=Time)
    expires_at: datetime | None = Field(default=None, sa_type=Time)


webhook_deliveries = table_of(WebhookDeliveryRow)
webhook_secrets = table_of(WebhookSecretRow)
