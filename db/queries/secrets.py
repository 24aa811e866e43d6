"""Statements about the secrets that processes share."""

from __future__ import annotations

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.secrets import secrets


async def find(connection: AsyncConnection, name: str) -> bytes | None:
    """Finds a secret."""
    return (await connection.execute(select(secrets.c.value).where(secrets.c.name == name))).scalar()


async def add(connection: AsyncConnection, name: str, value: bytes) -> None:
    """Stores a secret.

    Raises:
        UniqueViolationError: there is one of that name.
    """
    await connection.execute(insert(secrets).values(name=name, value=value))
