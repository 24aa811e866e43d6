"""AI models, their versions, and what those cost."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from db.tables.base import id_field, reference, table_of
from db.types import Json, Time, now


class ModelRow(SQLModel, table=True):
    """A model; without a project it is the operator's and every project sees it."""

    __tablename__ = "model"
    __table_args__ = (
        Index("ux_model_shared_name", "name", unique=True, sqlite_where=text("project_id IS NULL"),
              postgresql_where=text("project_id IS NULL")),
        UniqueConstraint("project_id", "name"),
    )  # fmt: skip

    id: str = id_field()
    project_id: str | None = reference("project.id", nullable=True)
    name: str = Field(max_length=100)
    display_name: str = Field(max_length=200)
    description: str | None = Field(default=None)
    task: str = Field(max_length=32)
    status: str = Field(default="PENDING", max_length=16)
    tags: list[str] = Field(default_factory=list, sa_type=Json)
    default_version_id: str | None = Field(default=None, max_length=32)
    created_at: datetime = Field(default_factory=now, sa_type=Time)
    updated_at: datetime = Field(default_factory=now, sa_type=Time)
    # A deleted model is found by its id only, for what it did; its name stays its own.
    deleted_at: datetime | None = Field(default=None, sa_type=Time)


class ModelVersionRow(SQLModel, table=True):
    """One version: which backend serves it, with what settings, inputs and outputs."""

    __tablename__ = "model_version"
    __table_args__ = (UniqueConstraint("model_id", "version"),)

    id: str = id_field()
    model_id: str = reference("model.id")
    version: str = Field(max_length=64)
    status: str = Field(default="PENDING", max_length=16)
    status_reason: str | None = Field(default=None)
    backend: str = Field(max_length=32)
    config: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    inputs: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    outputs: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    input_schema: dict[str, Any] | None = Field(default=None, sa_type=Json)
    max_batch_size: int | None = Field(default=None)
    # Whether the model's requests go to it as soon as it is READY.
    default_when_ready: bool = Field(default=False)
    created_at: datetime = Field(default_factory=now, sa_type=Time)
    retired_at: datetime | None = Field(default=None, sa_type=Time)


class PriceRow(SQLModel, table=True):
    """What a version costs from a time on, in nano units of a currency; null is unknown, never free."""

    __tablename__ = "price"
    __table_args__ = (UniqueConstraint("model_version_id", "valid_from"),)

    id: str = id_field()
    model_version_id: str = reference("model_version.id")
    valid_from: datetime = Field(default_factory=now, sa_type=Time)
    currency: str = Field(default="USD", max_length=3)
    input_nanos_per_million: int | None = Field(default=None, sa_type=BigInteger)
    cached_input_nanos_per_million: int | None = Field(default=None, sa_type=BigInteger)
    output_nanos_per_million: int | None = Field(default=None, sa_type=BigInteger)
    nanos_per_prediction: int | None = Field(default=None, sa_type=BigInteger)


class RegistryRow(SQLModel, table=True):
    """The one row that every change of the registry raises, so that each process learns of it."""

    __tablename__ = "registry"

    id: int = Field(default=1, primary_key=True)
    revision: int = Field(default=0, sa_type=BigInteger)


models = table_of(ModelRow)
model_versions = table_of(ModelVersionRow)
prices = table_of(PriceRow)
registry = table_of(RegistryRow)
