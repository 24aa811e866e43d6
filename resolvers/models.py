"""Models, their versions and prices, as one project sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from db.filters import ModelFilter
from db.pages import Page, Window
from db.queries import models as queries
from db.tables import ModelRow, ModelVersionRow, PriceRow
from db.types import now
from engine.money import price_at
from engine.values import ModelRef, NewVersion, VersionRef
from resolvers.aliases import drawn_version
from resolvers.context import Context
from resolvers.sight import seen_models


async def model(context: Context, ref: ModelRef) -> ModelRow | None:
    """Returns the model a reference names, None where the project sees none."""
    if ref.id is not None:
        return await context.loaders.model.load(ref.id)
    async with context.services.database.read() as connection:
        found = await queries.model_by_name(connection, context.viewer.project_id, ref.name or "")
    return found if found is not None and context.viewer.sees(found.id) else None


async def models_page(
    context: Context, wanted: ModelFilter, order: str, descending: bool, window: Window
) -> Page[ModelRow]:
    """Returns a page of models: all of them by time are in the catalog.

    Names are the database's to sort: PostgreSQL does it as its locale has it.
    """
    sorting = queries.order(order, descending=descending)
    if wanted == queries.EVERYTHING and order != "NAME":
        return (await context.loaders.registry.refreshed()).models_page(sorting, window)
    wanted = seen_models(context.viewer, wanted)
    async with context.services.database.read() as connection:
        return await queries.models_page(connection, context.viewer.project_id, wanted, sorting, window)


async def count_models(context: Context, wanted: ModelFilter) -> int:
    """Counts the models that a page is a part of."""
    wanted = seen_models(context.viewer, wanted)
    async with context.services.database.read() as connection:
        return await queries.count_models(connection, context.viewer.project_id, wanted)


async def version(context: Context, model_id: str, ref: VersionRef) -> ModelVersionRow | None:
    """Returns the version of a model that a reference names."""
    if ref.id is not None:
        found = await context.loaders.version.load(ref.id)
        return found if found is not None and found.model_id == model_id else None
    if ref.alias is not None:
        drawn = drawn_version(context, model_id, ref.alias)
        return None if drawn is None else await context.loaders.version.load(drawn)
    return await context.loaders.version_named.load((model_id, ref.version or ""))


async def current_price(context: Context, version_id: str) -> PriceRow | None:
    """Returns what a version costs now."""
    return price_at(await context.loaders.prices.load(version_id) or [], now())


async def prices(context: Context, version_id: str) -> list[PriceRow]:
    """Returns every price of a version, by when they begin."""
    return await context.loaders.prices.load(version_id) or []


async def register(context: Context, told: Mapping[str, Any]) -> ModelRow:
    """Registers a model."""
    return await context.services.models.register(context.viewer, told, context.request_id)


async def update(context: Context, ref: ModelRef, told: Mapping[str, Any]) -> ModelRow:
    """Changes a model."""
    return await context.services.models.update(context.viewer, ref, told, context.request_id)


async def delete(context: Context, ref: ModelRef) -> ModelRow:
    """Deletes a model."""
    return await context.services.models.delete(context.viewer, ref, context.request_id)


async def create_version(context: Context, new: NewVersion) -> tuple[ModelVersionRow, bool]:
    """Registers a version; True with it if an earlier request had done so."""
    return await context.services.versions.create(context.viewer, new, context.request_id)


async def retire_version(context: Context, version_id: str) -> ModelVersionRow:
    """Retires a version."""
    return await context.services.versions.retire(context.viewer, version_id, context.request_id)


async def set_price(context: Context, version_id: str, told: Mapping[str, Any]) -> ModelVersionRow:
    """Sets a price of a version, and returns the version."""
    return await context.services.versions.set_price(context.viewer, version_id, told, context.request_id)
