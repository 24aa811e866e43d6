"""Idempotency keys: which request used one first, and what came of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary
from sqlmodel import Field, SQLModel

from db.tables.base import table_of
from db.types import Id, Time, now


class IdempotencyRow(SQLModel, table=True):
    """A key, claimed in the transaction that stores what it stands for."""

    __tablename__ = "idempotency"
    __table_args__ = (Index("ix_idempotency_created", "created_at"),)

    project_id: str = Field(primary_key=True, sa_type=Id)
    operation: str = Field(primary_key=True, max_length=32)
    key: str = Field(primary_key=True, max_length=128)
    fingerprint: bytes = Field(sa_type=LargeBinary)
    result_id: str = Field(sa_type=Id)
    request_id: str = Field(max_length=128)
    created_at: datetime = Field(default_factory=now, sa_type=Time)


idempotency_keys = table_of(IdempotencyRow)
