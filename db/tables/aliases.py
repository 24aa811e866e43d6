"""Aliases of models, and what they pointed at before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from db.tables.base import id_field, reference, table_of
from db.types import Id, Json, Time, now


class ModelAliasRow(SQLModel, table=True):
    """A movable name for versions of a model; without a project it is the operator's and for everyone.

    `targets` are `{"version_id", "weight"}`, `shadow` is `{"version_id", "sample_rate"}`, `fallbacks` are
    ids of versions in the order in which they are tried.
    """

    __tablename__ = "model_alias"
    __table_args__ = (
        Index("ux_alias_shared_name", "model_id", "name", unique=True,
              sqlite_where=text("project_id IS NULL"), postgresql_where=text("project_id IS NULL")),
        UniqueConstraint("model_id", "project_id", "name"),
    )  # fmt: skip

    id: str = id_field()
    model_id: str = reference("model.id")
    project_id: str | None = reference("project.id", nullable=True)
    name: str = Field(max_length=64)
    targets: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    shadow: dict[str, Any] | None = Field(default=None, sa_type=Json)
    fallbacks: list[str] = Field(default_factory=list, sa_type=Json)
    revision: int = Field(default=1)
    created_at: datetime = Field(default_factory=now, sa_type=Time)
    updated_at: datetime = Field(default_factory=now, sa_type=Time)
    # Then nothing is routed by it; it stays for what came by it, and its name brings it back.
    deleted_at: datetime | None = Field(default=None, sa_type=Time)


class AliasChangeRow(SQLModel, table=True):
    """What an alias pointed at from one revision on, and who moved it there; never changed.

    Without targets: it was deleted.
    """

    __tablename__ = "model_alias_change"
    __table_args__ = (UniqueConstraint("alias_id", "revision"),)

    id: str = id_field()
    alias_id: str = reference("model_alias.id")
    revision: int
    targets: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    shadow: dict[str, Any] | None = Field(default=None, sa_type=Json)
    fallbacks: list[str] = Field(default_factory=list, sa_type=Json)
    # Null where a registry file said so.
    api_key_id: str | None = Field(default=None, sa_type=Id)
    changed_at: datetime = Field(default_factory=now, sa_type=Time)


aliases = table_of(ModelAliasRow)
alias_changes = table_of(AliasChangeRow)
