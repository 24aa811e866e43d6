"""Predictions: one row each, from acceptance to its terminal status and on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field, SQLModel

from db.tables.base import id_field, reference, table_of, unwatched
from db.types import Id, Json, Time, now

OPEN = "status IN ('QUEUED', 'RUNNING')"
ITEM = "job_id IS NOT NULL"
SHADOW = "shadow_of IS NOT NULL"


class PredictionRow(SQLModel, table=True):
    """A prediction. The large columns stand last, so that a list which leaves them out does not read them."""

    __tablename__ = "prediction"
    __table_args__ = (
        # Ids sort by creation, so "newest first" needs no second column in any of these. Lists leave shadows
        # out: with that column at the end, they and their counts read nothing but the index.
        Index("ix_prediction_project", "project_id", "id", "shadow_of"),
        Index("ix_prediction_model", "model_id", "project_id", "id", "shadow_of"),
        Index("ix_prediction_version", "model_version_id", "project_id", "id", "shadow_of"),
        Index("ix_prediction_status", "project_id", "status", "id", "shadow_of"),
        Index("ix_prediction_key", "api_key_id", "id"),
        Index("ix_prediction_finished", "project_id", "finished_at", "id"),
        Index("ix_prediction_open", "lease_until", sqlite_where=text(OPEN), postgresql_where=text(OPEN)),
        # Of an item one result counts, whatever goes wrong in a job: the others are replaced by it.
        Index("ux_prediction_item", "job_id", "item_index", unique=True,
              sqlite_where=text(f"{ITEM} AND is_replaced = 0"),
              postgresql_where=text(f"{ITEM} AND NOT is_replaced")),
        Index("ux_prediction_sequence", "job_id", "job_sequence", unique=True,
              sqlite_where=text(ITEM), postgresql_where=text(ITEM)),
        Index("ix_prediction_unlucky", "job_id", "status", "job_sequence",
              sqlite_where=text(f"{ITEM} AND status <> 'SUCCEEDED'"),
              postgresql_where=text(f"{ITEM} AND status <> 'SUCCEEDED'")),
        Index("ux_prediction_shadow", "shadow_of", unique=True,
              sqlite_where=text(SHADOW), postgresql_where=text(SHADOW)),
        Index("ix_prediction_custom", "project_id", "custom_id", "id",
              sqlite_where=text("custom_id IS NOT NULL"), postgresql_where=text("custom_id IS NOT NULL")),
    )  # fmt: skip

    id: str = id_field()
    project_id: str = reference("project.id")
    api_key_id: str | None = reference("api_key.id", nullable=True)
    model_id: str = reference("model.id")
    model_version_id: str = reference("model_version.id")
    status: str = Field(default="QUEUED", max_length=16)
    request_id: str = Field(max_length=128)
    created_at: datetime = Field(default_factory=now, sa_type=Time)
    started_at: datetime | None = Field(default=None, sa_type=Time)
    finished_at: datetime | None = Field(default=None, sa_type=Time)
    deadline_at: datetime | None = Field(default=None, sa_type=Time)
    cached: bool = Field(default=False)
    attempts: int = Field(default=0)
    # Who runs it, and until when that is believed; null once terminal.
    owner: str | None = Field(default=None, max_length=64)
    lease_until: datetime | None = Field(default=None, sa_type=Time)
    cancel_requested: bool = Field(default=False)
    callback_url: str | None = Field(default=None, max_length=2048)
    # An item of a job: its place in the source, its name there, and the how manyth it was to end.
    job_id: str | None = Field(default=None, sa_type=Id)
    item_index: int | None = Field(default=None)
    custom_id: str | None = Field(default=None, max_length=128)
    job_sequence: int | None = Field(default=None)
    is_replaced: bool = Field(default=False)
    # How it came to its version: by which alias, in the place of which version, as a copy of what.
    alias_id: str | None = Field(default=None, sa_type=Id)
    asked_version_id: str | None = Field(default=None, sa_type=Id)
    shadow_of: str | None = Field(default=None, sa_type=Id)
    # What was used, and what that cost.
    usage_source: str | None = Field(default=None, max_length=16)
    input_tokens: int | None = Field(default=None)
    cached_input_tokens: int | None = Field(default=None)
    output_tokens: int | None = Field(default=None)
    records: int | None = Field(default=None)
    cost_nanos: int | None = Field(default=None, sa_type=BigInteger)
    currency: str | None = Field(default=None, max_length=3)
    # Where the time went, in milliseconds.
    queue_ms: float | None = Field(default=None)
    inference_ms: float | None = Field(default=None)
    time_to_first_token_ms: float | None = Field(default=None)
    total_ms: float | None = Field(default=None)
    # The large ones.
    error: dict[str, Any] | None = Field(default=None, sa_type=Json)
    meta: Any = Field(default=None, sa_type=Json, nullable=True)
    explain: str | None = Field(default=None, max_length=16)
    explanation: dict[str, Any] | None = Field(default=None, sa_type=Json)
    input: dict[str, Any] | None = Field(default=None, sa_type=Json)
    output: dict[str, Any] | None = Field(default=None, sa_type=Json)


predictions = table_of(PredictionRow)

NewPrediction = unwatched(PredictionRow)
"""Makes the row of a prediction, or of one that is taken over; each prediction needs one or two."""
