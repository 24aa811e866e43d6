"""Statements about the audit."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.audit import AuditRow, audit


async def add(connection: AsyncConnection, rows: Sequence[AuditRow]) -> None:
    """Stores changes, in the transaction that makes them."""
    if rows:
        await connection.execute(insert(audit), [row.model_dump() for row in rows])
