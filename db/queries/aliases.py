"""Statements about aliases and their history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.pages import Order, Page, Window, read_page_per_parent
from db.tables.aliases import AliasChangeRow, ModelAliasRow, alias_changes, aliases

CHANGES_NEWEST_FIRST = Order("CHANGED_AT", (alias_changes.c.id,), descending=True)


def visible(project_id: str) -> ColumnElement[bool]:
    """The aliases a project sees: its own, and those of the operator."""
    return or_(aliases.c.project_id == project_id, aliases.c.project_id.is_(None))


async def by_id(connection: AsyncConnection, project_id: str, ids: Sequence[str]) -> Sequence[ModelAliasRow]:
    """Finds the aliases of these ids that a project sees, deleted ones too, in no particular order."""
    found = await connection.execute(select(aliases).where(aliases.c.id.in_(ids), visible(project_id)))
    return cast(Sequence[ModelAliasRow], found.all())


async def of_models(
    connection: AsyncConnection, project_id: str, model_ids: Sequence[str]
) -> Sequence[ModelAliasRow]:
    """Reads the aliases of some models that a project sees, by name, its own before the operator's."""
    place = (aliases.c.name, aliases.c.project_id.is_(None))
    theirs = (aliases.c.model_id.in_(model_ids), aliases.c.deleted_at.is_(None))
    statement = select(aliases).where(*theirs, visible(project_id))
    return cast(Sequence[ModelAliasRow], (await connection.execute(statement.order_by(*place))).all())


async def lock(
    connection: AsyncConnection, model_id: str, project_id: str | None, name: str
) -> ModelAliasRow | None:
    """Reads an alias, the operator's if without a project, that nobody else changes in this transaction.

    One that was deleted is found too.
    """
    owner = aliases.c.project_id.is_(None) if project_id is None else aliases.c.project_id == project_id
    named = select(aliases).where(aliases.c.model_id == model_id, owner, aliases.c.name == name)
    found = await connection.execute(named.with_for_update())  # SQLite has one writer anyway
    return cast(ModelAliasRow | None, found.first())


async def add(connection: AsyncConnection, row: ModelAliasRow, change: AliasChangeRow) -> None:
    """Stores an alias with the first entry of its history.

    Raises:
        UniqueViolationError: the model has an alias of that name.
    """
    await connection.execute(insert(aliases).values(row.model_dump()))
    await connection.execute(insert(alias_changes).values(change.model_dump()))


async def change(connection: AsyncConnection, alias_id: str, entry: AliasChangeRow, **columns: Any) -> None:
    """Changes a locked alias, and notes it in its history."""
    await connection.execute(update(aliases).where(aliases.c.id == alias_id).values(**columns))
    await connection.execute(insert(alias_changes).values(entry.model_dump()))


async def history_pages(
    connection: AsyncConnection, alias_ids: Sequence[str], window: Window
) -> list[Page[AliasChangeRow]]:
    """Reads a page of the history, newest first, for each of some aliases that the caller may see."""
    link = (alias_changes.c.alias_id, aliases.c.id)
    statement = select(alias_changes)
    return await read_page_per_parent(connection, statement, link, alias_ids, CHANGES_NEWEST_FIRST, window)
