"""Statements about idempotency keys."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from sqlalchemy import and_, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.idempotency import IdempotencyRow, idempotency_keys


async def claim(connection: AsyncConnection, row: IdempotencyRow) -> None:
    """Claims a key for what the same transaction stores.

    Raises:
        UniqueViolationError: the key was claimed before.
    """
    await connection.execute(insert(idempotency_keys).values(row.model_dump()))


async def find(
    connection: AsyncConnection, project_id: str, operation: str, key: str
) -> IdempotencyRow | None:
    """Finds who claimed a key."""
    columns = idempotency_keys.c
    same = and_(columns.project_id == project_id, columns.operation == operation, columns.key == key)
    return cast(
        IdempotencyRow | None, (await connection.execute(select(idempotency_keys).where(same))).first()
    )


async def forget_before(connection: AsyncConnection, time: datetime) -> int:
    """Deletes keys that were claimed before a time and returns how many there were."""
    statement = delete(idempotency_keys).where(idempotency_keys.c.created_at < time)
    return (await connection.execute(statement)).rowcount
