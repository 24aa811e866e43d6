"""Models, their versions and prices, as one project sees them."""

from __future__ import annotations

from db.filters import ModelFilter
from db.pages import Page, Window
from db.queries import models as queries
from db.tables import ModelRow, ModelVersionRow, PriceRow
from db.types import now
from engine.money import price_at
from engine.values import ModelRef, VersionRef
from resolvers.context import Context
from resolvers.loaders import VersionsOf
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
    """Returns a page of models and tells the loaders of them."""
    sorting, wanted = queries.order(order, descending=descending), seen_models(context.viewer, wanted)
    async with context.services.database.read() as connection:
        page = await queries.models_page(connection, context.viewer.project_id, wanted, sorting, window)
    for row in page.rows:
        context.loaders.model.prime(row.id, row)
    return page


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
    return await context.loaders.version_named.load((model_id, ref.version or ""))


async def versions_page(context: Context, model_id: str, window: Window) -> Page[ModelVersionRow]:
    """Returns a page of a model's versions, newest first, and tells the loaders of them."""
    page = await context.loaders.versions_of.load(VersionsOf(model_id, window))
    for row in page.rows:
        context.loaders.version.prime(row.id, row)
    return page


async def current_price(context: Context, version_id: str) -> PriceRow | None:
    """Returns what a version costs now."""
    return price_at(await context.loaders.prices.load(version_id), now())
