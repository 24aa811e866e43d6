"""Statements about the audit."""

from __future__ import annotations

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.audit import AuditRow, audit


async def put(connection: AsyncConnection, row: AuditRow) -> None:
    """Stores a change, or what has become of one, in the transaction that makes it."""
    changed = update(audit).where(audit.c.id == row.id).values(details=row.details)
    if not (await connection.execute(changed)).rowcount:
        await connection.execute(insert(audit).values(row.model_dump()))
