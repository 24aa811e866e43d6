"""Projects and the API keys that act for them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary
from sqlmodel import Field, SQLModel

from db.tables.base import id_field, reference, table_of
from db.types import Json, Time, now


class ProjectRow(SQLModel, table=True):
    """A tenant: its rows are invisible to every other project."""

    __tablename__ = "project"

    id: str = id_field()
    name: str = Field(unique=True, max_length=100)
    tier: str = Field(default="free", max_length=32)
    # How many days inputs and outputs are kept, before the setting; and up to when they are purged.
    retention_days: int | None = Field(default=None)
    purged_until: datetime | None = Field(default=None, sa_type=Time)
    created_at: datetime = Field(default_factory=now, sa_type=Time)


class ApiKeyRow(SQLModel, table=True):
    """A key of a project: the hash of its secret, never the secret."""

    __tablename__ = "api_key"

    id: str = id_field()
    project_id: str = reference("project.id")
    name: str = Field(max_length=100)
    prefix: str = Field(max_length=16, unique=True)
    secret_hash: bytes = Field(sa_type=LargeBinary)
    scopes: list[str] = Field(sa_type=Json)
    # The ids of the models that exist for it; without, all that the project sees.
    models: list[str] | None = Field(default=None, sa_type=Json)
    created_at: datetime = Field(default_factory=now, sa_type=Time)
    last_used_at: datetime | None = Field(default=None, sa_type=Time)
    expires_at: datetime | None = Field(default=None, sa_type=Time)
    revoked_at: datetime | None = Field(default=None, sa_type=Time)
    rotated_at: datetime | None = Field(default=None, sa_type=Time)


class RetiredSecretRow(SQLModel, table=True):
    """A secret that a key had before its last rotation, and still has for a while."""

    __tablename__ = "retired_secret"
    __table_args__ = (Index("ix_retired_secret_key", "api_key_id"),)

    prefix: str = Field(max_length=16, primary_key=True)
    api_key_id: str = reference("api_key.id")
    secret_hash: bytes = Field(sa_type=LargeBinary)
    expires_at: datetime = Field(sa_type=Time)


projects = table_of(ProjectRow)
api_keys = table_of(ApiKeyRow)
retired_secrets = table_of(RetiredSecretRow)
