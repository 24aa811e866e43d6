"""API keys: making and revoking them, and the project they act for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from db.pages import Page, Window
from db.tables import ApiKeyRow, ProjectRow
from engine.values import Scope
from resolvers.context import Context


async def create_key(
    context: Context, name: str, scopes: Sequence[Scope], expires_at: datetime | None
) -> tuple[ApiKeyRow, str]:
    """Makes a key for the viewer's project and returns it with its secret."""
    viewer = context.viewer
    create = context.services.keys.create
    return await create(viewer.project_id, name, scopes, expires_at, granted_by=viewer)


async def revoke_key(context: Context, key_id: str) -> ApiKeyRow:
    """Revokes a key of the viewer's project."""
    return await context.services.keys.revoke(context.viewer.project_id, key_id)


async def keys_page(context: Context, window: Window) -> Page[ApiKeyRow]:
    """Returns a page of the project's keys, newest first."""
    return await context.loaders.keys_page.load(window)


async def count_keys(context: Context) -> int:
    """Counts the project's keys."""
    return await context.loaders.key_count.load(context.viewer.project_id)


async def own_project(context: Context) -> ProjectRow:
    """Returns the viewer's project."""
    row = await context.loaders.project.load(context.viewer.project_id)
    assert row is not None  # a key can not outlive its project
    return row
