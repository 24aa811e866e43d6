"""Audit: the changes that were made in the viewer's project."""

from __future__ import annotations

from db.filters import AuditFilter
from db.pages import Page, Window
from db.queries import audit as queries
from db.tables import AuditRow
from resolvers.context import Context


async def events_page(context: Context, wanted: AuditFilter, window: Window) -> Page[AuditRow]:
    """Returns a page of the project's changes, newest first."""
    async with context.services.database.read() as connection:
        return await queries.page(connection, context.viewer.project_id, wanted, window)


async def count_events(context: Context, wanted: AuditFilter) -> int:
    """Counts the changes that a page is a part of."""
    async with context.services.database.read() as connection:
        return await queries.count(connection, context.viewer.project_id, wanted)
