"""Secrets that the processes of one deployment share, for an operator who set none."""

from __future__ import annotations

from sqlalchemy import LargeBinary
from sqlmodel import Field, SQLModel

from db.tables.base import table_of


class SecretRow(SQLModel, table=True):
    """A random key, made by the first process that needs it."""

    __tablename__ = "server_secret"

    name: str = Field(primary_key=True, max_length=32)
    value: bytes = Field(sa_type=LargeBinary)


secrets = table_of(SecretRow)
