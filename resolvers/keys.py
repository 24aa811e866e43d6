"""API keys: making, rotating and revoking them, and the project they act for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from db.pages import Page, Window
from db.tables import ApiKeyRow, ModelRow, ProjectRow
from engine.audit import actor_of
from engine.errors import NotFoundError
from engine.keys import MAX_MODELS, Granted, Rotated
from engine.values import KeyRequest, ModelRef
from resolvers import models
from resolvers.context import Context


async def create_key(context: Context, wanted: KeyRequest, models: Sequence[ModelRef] | None) -> Granted:
    """Makes a key for the viewer's project, for the models that are named.

    Raises:
        NotFoundError: the viewer sees no such model.
    """
    if models is not None:
        found = [await _model_id(context, number, ref) for number, ref in enumerate(models[: MAX_MODELS + 1])]
        wanted = replace(wanted, models=tuple(sorted(set(found))))
    return await context.services.keys.grant(context.viewer, wanted, context.request_id)


async def rotate_key(context: Context, key_id: str, overlap: timedelta) -> Rotated:
    """Gives a key of the viewer's project a new secret."""
    viewer, rotate = context.viewer, context.services.keys.rotate
    actor = actor_of(viewer, context.request_id)
    return await rotate(viewer.project_id, key_id, overlap, rotated_by=viewer, actor=actor)


async def revoke_key(context: Context, key_id: str) -> ApiKeyRow:
    """Revokes a key of the viewer's project."""
    viewer, revoke = context.viewer, context.services.keys.revoke
    return await revoke(viewer.project_id, key_id, actor=actor_of(viewer, context.request_id))


async def models_of(context: Context, ids: Sequence[str]) -> list[ModelRow]:
    """Returns those of a key's models that the viewer sees."""
    found = await context.loaders.model.load_many(list(ids))
    return [row for row in found if row is not None]


async def _model_id(context: Context, number: int, ref: ModelRef) -> str:
    found = await models.model(context, ref)
    if found is None:
        path = ("input", "models", str(number))
        raise NotFoundError(f"There is no model {(ref.id or ref.name)!r}.", path=path)
    return found.id


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
