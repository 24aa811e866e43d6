"""Audit: who changed what, kept apart from what was changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from db.tables.base import id_field, reference, table_of
from db.types import Id, Json, Time, now


class AuditRow(SQLModel, table=True):
    """One change: by whom, what it is called, to what; without a project it is the operator's."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_project", "project_id", "id"),)

    id: str = id_field()
    project_id: str | None = reference("project.id", nullable=True)
    at: datetime = Field(default_factory=now, sa_type=Time)
    actor: str = Field(max_length=100)
    # The key that asked for it, and the global id of what was changed, where there are any.
    actor_id: str | None = Field(default=None, sa_type=Id)
    action: str = Field(max_length=64)
    subject: str = Field(max_length=200)
    subject_id: str | None = Field(default=None, max_length=100)
    request_id: str | None = Field(default=None, max_length=128)
    details: dict[str, Any] = Field(default_factory=dict, sa_type=Json)


audit = table_of(AuditRow)
