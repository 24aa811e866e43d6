"""Statements about the audit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.filters import AuditFilter
from db.pages import Order, Page, Window, read_page
from db.tables.audit import AuditRow, audit
from db.types import first_id_at, storable

NEWEST_FIRST = Order("CREATED_AT", (audit.c.id,), descending=True)


async def put(connection: AsyncConnection, row: AuditRow) -> None:
    """Stores a change, or what has become of one, in the transaction that makes it."""
    changed = update(audit).where(audit.c.id == row.id).values(details=row.details)
    if not (await connection.execute(changed)).rowcount:
        await add(connection, row)


async def add(connection: AsyncConnection, row: AuditRow) -> None:
    """Stores a change, in the transaction that makes it."""
    await connection.execute(insert(audit).values(row.model_dump()))


async def by_id(connection: AsyncConnection, project_id: str, ids: Sequence[str]) -> Sequence[AuditRow]:
    """Finds the changes in a project by id, in no particular order."""
    mine = (audit.c.project_id == project_id, audit.c.id.in_(ids))
    return cast(Sequence[AuditRow], (await connection.execute(select(audit).where(*mine))).all())


async def page(
    connection: AsyncConnection, project_id: str, wanted: AuditFilter, window: Window
) -> Page[AuditRow]:
    """Reads a page of the changes in a project, newest first."""
    return await read_page(connection, _filtered(select(audit), project_id, wanted), NEWEST_FIRST, window)


async def count(connection: AsyncConnection, project_id: str, wanted: AuditFilter) -> int:
    """Counts the changes in a project."""
    statement = _filtered(select(func.count()).select_from(audit), project_id, wanted)
    return int((await connection.execute(statement)).scalar_one())


def _filtered(statement: Select[Any], project_id: str, wanted: AuditFilter) -> Select[Any]:
    statement = statement.where(audit.c.project_id == project_id)
    if wanted.action is not None:
        statement = statement.where(audit.c.action.in_([each for each in wanted.action if storable(each)]))
    if wanted.actor_id is not None:
        statement = statement.where(audit.c.actor_id.in_(wanted.actor_id))
    if wanted.subject_id is not None:
        statement = statement.where(audit.c.subject_id.in_(wanted.subject_id))
    if wanted.since is not None:
        statement = statement.where(audit.c.id >= first_id_at(wanted.since))
    if wanted.until is not None:
        statement = statement.where(audit.c.id < first_id_at(wanted.until))
    return statement
