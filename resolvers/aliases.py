"""Aliases of models: moving and deleting them, and what they pointed at."""

from __future__ import annotations

from db.pages import Page, Window
from db.queries.aliases import CHANGES_NEWEST_FIRST
from db.tables import AliasChangeRow, ModelAliasRow
from engine.audit import actor_of
from engine.errors import NotFoundError
from engine.values import AliasDeletion, AliasRequest, ModelRef, VersionRef
from resolvers.alias_loads import HistoryOf
from resolvers.context import Context
from resolvers.usage_loads import part_id

CHANGES = CHANGES_NEWEST_FIRST.name

__all__ = ["CHANGES", "delete_alias", "drawn_version", "history_page", "part_id", "set_alias"]


async def set_alias(context: Context, request: AliasRequest) -> ModelAliasRow:
    """Makes or moves an alias of the project."""
    actor = actor_of(context.viewer, context.request_id)
    return await context.services.aliases.set(context.viewer, request, actor)


async def delete_alias(context: Context, request: AliasDeletion) -> ModelAliasRow:
    """Deletes an alias of the project."""
    actor = actor_of(context.viewer, context.request_id)
    return await context.services.aliases.delete(context.viewer, request, actor)


def drawn_version(context: Context, model_id: str, alias: str) -> str | None:
    """Returns the id of the version that the viewer gets by an alias without a sticky key."""
    try:
        ref = VersionRef(alias=alias)
        return context.services.router.route(context.viewer, ModelRef(id=model_id), ref).asked.row.id
    except NotFoundError:
        return None


async def history_page(context: Context, alias_id: str, window: Window) -> Page[AliasChangeRow]:
    """Returns a page of what an alias pointed at, the newest first."""
    return await context.loaders.alias_history.load(HistoryOf(alias_id, window))
