"""Statements about models, versions and prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import orjson
from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    bindparam,
    case,
    false,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.ext.asyncio import AsyncConnection

from db.filters import ModelFilter
from db.pages import Order, Page, Window, read_page, read_prepared_page
from db.tables.models import ModelRow, ModelVersionRow, PriceRow, model_versions, models, prices
from db.types import storable

ORDERS: Mapping[str, tuple[Any, ...]] = {
    "CREATED_AT": (models.c.id,),
    "UPDATED_AT": (models.c.updated_at, models.c.id),
    "NAME": (models.c.name, models.c.id),
}
BEST_STATUS_FIRST = ("READY", "DEGRADED", "LOADING", "PENDING", "FAILED", "RETIRED")
VERSIONS_NEWEST_FIRST = Order("CREATED_AT", (model_versions.c.id,), descending=True)


EVERYTHING = ModelFilter()
LIST = select(models).where(
    or_(models.c.project_id == bindparam("project_id"), models.c.project_id.is_(None)),
    models.c.deleted_at.is_(None),
)


def order(name: str, *, descending: bool) -> Order:
    """Returns the order of models by CREATED_AT, UPDATED_AT or NAME."""
    return Order(name, ORDERS[name], descending)


def visible(project_id: str) -> ColumnElement[bool]:
    """The models a project sees: its own, and those of the operator."""
    return or_(models.c.project_id == project_id, models.c.project_id.is_(None))


async def models_by_id(
    connection: AsyncConnection, project_id: str, ids: Sequence[str]
) -> Sequence[ModelRow]:
    """Finds the models of these ids that a project sees, in no particular order."""
    found = await connection.execute(select(models).where(models.c.id.in_(ids), visible(project_id)))
    return cast(Sequence[ModelRow], found.all())


async def model_by_name(connection: AsyncConnection, project_id: str, name: str) -> ModelRow | None:
    """Finds a model by name; a project's own model hides the operator's of the same name."""
    if not storable(name):
        return None
    own_first = models.c.project_id.is_(None)
    there = (models.c.name == name, models.c.deleted_at.is_(None), visible(project_id))
    named = select(models).where(*there).order_by(own_first).limit(1)
    return cast(ModelRow | None, (await connection.execute(named)).first())


async def own_model_by_name(connection: AsyncConnection, project_id: str, name: str) -> ModelRow | None:
    """Finds a project's own model, also one that is deleted."""
    named = select(models).where(models.c.project_id == project_id, models.c.name == name)
    return cast(ModelRow | None, (await connection.execute(named)).first())


async def count_own_models(connection: AsyncConnection, project_id: str) -> int:
    """Counts a project's own models, deleted ones too."""
    counted = select(func.count()).select_from(models).where(models.c.project_id == project_id)
    return int((await connection.execute(counted)).scalar_one())


async def count_own_versions(connection: AsyncConnection, project_id: str) -> int:
    """Counts the versions of a project's own models that are not retired."""
    joined = model_versions.join(models, models.c.id == model_versions.c.model_id)
    served = (models.c.project_id == project_id, model_versions.c.status != "RETIRED")
    counted = select(func.count()).select_from(joined).where(*served)
    return int((await connection.execute(counted)).scalar_one())


async def models_page(
    connection: AsyncConnection, project_id: str, wanted: ModelFilter, sorting: Order, window: Window
) -> Page[ModelRow]:
    """Reads a page of the models a project sees."""
    if wanted == EVERYTHING:
        return await read_prepared_page(connection, LIST, sorting, window, project_id=project_id)
    return await read_page(connection, _filtered(select(models), project_id, wanted), sorting, window)


async def count_models(connection: AsyncConnection, project_id: str, wanted: ModelFilter) -> int:
    """Counts the models a project sees."""
    statement = _filtered(select(func.count()).select_from(models), project_id, wanted)
    return int((await connection.execute(statement)).scalar_one())


def _filtered(statement: Select[Any], project_id: str, wanted: ModelFilter) -> Select[Any]:
    statement = statement.where(visible(project_id), models.c.deleted_at.is_(None))
    if wanted.id is not None:
        statement = statement.where(models.c.id.in_(wanted.id))
    if wanted.task is not None:
        statement = statement.where(models.c.task.in_(wanted.task))
    if wanted.status is not None:
        statement = statement.where(models.c.status.in_(wanted.status))
    if wanted.tags is not None:
        statement = statement.where(or_(false(), *map(_tagged, wanted.tags)))
    if wanted.search is not None:
        found = models.c.name.icontains(wanted.search, autoescape=True)
        statement = statement.where(found if storable(wanted.search) else false())
    return statement


def _tagged(tag: str) -> ColumnElement[bool]:
    """Tells of a model whether its tags, a JSON array, have this one; LIKE would ignore case on SQLite."""
    tags = sql_cast(models.c.tags, String)
    return func.replace(tags, orjson.dumps(tag).decode(), "") != tags


async def versions_by_id(
    connection: AsyncConnection, project_id: str, ids: Sequence[str]
) -> Sequence[ModelVersionRow]:
    """Finds the versions of these ids whose model a project sees, in no particular order."""
    joined = model_versions.join(models, models.c.id == model_versions.c.model_id)
    statement = select(model_versions).select_from(joined)
    found = await connection.execute(statement.where(model_versions.c.id.in_(ids), visible(project_id)))
    return cast(Sequence[ModelVersionRow], found.all())


async def versions_by_name(
    connection: AsyncConnection, named: Sequence[tuple[str, str]]
) -> Sequence[ModelVersionRow]:
    """Finds versions by the id of a model that the caller may see, and their own name."""
    pairs = tuple_(model_versions.c.model_id, model_versions.c.version)
    possible = [pair for pair in named if storable(pair[1])]
    found = await connection.execute(select(model_versions).where(pairs.in_(possible)))
    return cast(Sequence[ModelVersionRow], found.all())


async def prices_of(connection: AsyncConnection, version_ids: Sequence[str]) -> Sequence[PriceRow]:
    """Reads every price of some versions, oldest first."""
    statement = select(prices).where(prices.c.model_version_id.in_(version_ids))
    return cast(Sequence[PriceRow], (await connection.execute(statement.order_by(prices.c.valid_from))).all())


async def add_model(connection: AsyncConnection, row: ModelRow) -> None:
    """Stores a model.

    Raises:
        UniqueViolationError: the name is taken.
    """
    await connection.execute(insert(models).values(row.model_dump()))


async def change_model(connection: AsyncConnection, model_id: str, **changes: Any) -> None:
    """Changes columns of a model."""
    await connection.execute(update(models).where(models.c.id == model_id).values(**changes))


async def add_version(connection: AsyncConnection, row: ModelVersionRow) -> None:
    """Stores a version.

    Raises:
        UniqueViolationError: the model has a version of that name.
    """
    await connection.execute(insert(model_versions).values(row.model_dump()))


async def change_version(connection: AsyncConnection, version_id: str, **changes: Any) -> None:
    """Changes columns of a version."""
    statement = update(model_versions).where(model_versions.c.id == version_id)
    await connection.execute(statement.values(**changes))


async def note_version(connection: AsyncConnection, version_id: str, **changes: Any) -> bool:
    """Notes what was found out about a version; returns whether it is news. A RETIRED one stays as it is."""
    columns = [model_versions.c[name] for name in changes]
    news = or_(*(column.is_distinct_from(changes[column.key]) for column in columns))
    one = (model_versions.c.id == version_id, model_versions.c.status != "RETIRED", news)
    return (await connection.execute(update(model_versions).where(*one).values(**changes))).rowcount == 1


async def begin_loading(connection: AsyncConnection, version_id: str) -> bool:
    """PENDING → LOADING; any other status stays. Returns whether it was PENDING."""
    pending = (model_versions.c.id == version_id, model_versions.c.status == "PENDING")
    statement = update(model_versions).where(*pending).values(status="LOADING")
    return (await connection.execute(statement)).rowcount == 1


async def make_default_if_wanted(connection: AsyncConnection, row: ModelVersionRow) -> None:
    """Makes a version that is READY now its model's default one, if it was to be that."""
    wants = (model_versions.c.id == row.id, model_versions.c.default_when_ready)
    wanted = await connection.execute(update(model_versions).where(*wants).values(default_when_ready=False))
    if wanted.rowcount:
        await change_model(connection, row.model_id, default_version_id=row.id)


async def retire_versions(connection: AsyncConnection, at: datetime, **where: str) -> None:
    """Retires versions by `model_id` or `version_id`; those that are retired already stay as they are."""
    columns = {"model_id": model_versions.c.model_id, "version_id": model_versions.c.id}
    those = [columns[name] == value for name, value in where.items()]
    statement = update(model_versions).where(*those, model_versions.c.status != "RETIRED")
    changes = {"status": "RETIRED", "status_reason": None, "default_when_ready": False, "retired_at": at}
    await connection.execute(statement.values(**changes))


async def with_old_files(
    connection: AsyncConnection, before: datetime, limit: int = 100
) -> Sequence[ModelVersionRow]:
    """Finds versions that were retired before a time and still have a file that was uploaded."""
    has_file = sql_cast(model_versions.c.config, String).contains('"key":', autoescape=True)
    old = select(model_versions).where(model_versions.c.retired_at < before, has_file)
    return cast(Sequence[ModelVersionRow], (await connection.execute(old.limit(limit))).all())


async def replace_default(connection: AsyncConnection, retired: ModelVersionRow) -> None:
    """Gives a model whose default version was retired the newest other one that can answer, or none."""
    usable = (
        model_versions.c.model_id == retired.model_id,
        model_versions.c.id != retired.id,
        model_versions.c.status.in_(("READY", "DEGRADED")),
    )
    newest = select(model_versions.c.id).where(*usable).order_by(model_versions.c.id.desc()).limit(1)
    its_model = (models.c.id == retired.model_id, models.c.default_version_id == retired.id)
    statement = update(models).where(*its_model)
    await connection.execute(statement.values(default_version_id=newest.scalar_subquery()))


async def change_model_status(connection: AsyncConnection, model_id: str, at: datetime) -> None:
    """Gives a model the best status that one of its versions has."""
    ranked = case(
        {status: rank for rank, status in enumerate(BEST_STATUS_FIRST)}, value=model_versions.c.status
    )
    best = (
        select(model_versions.c.status)
        .where(model_versions.c.model_id == model_id)
        .order_by(ranked)
        .limit(1)
        .scalar_subquery()
    )
    statement = update(models).where(models.c.id == model_id)
    await connection.execute(statement.values(status=func.coalesce(best, "PENDING"), updated_at=at))


async def price_from(connection: AsyncConnection, version_id: str, at: datetime) -> PriceRow | None:
    """Finds the price of a version that begins at a time."""
    same = (prices.c.model_version_id == version_id, prices.c.valid_from == at)
    return cast(PriceRow | None, (await connection.execute(select(prices).where(*same))).first())


async def add_price(connection: AsyncConnection, row: PriceRow) -> None:
    """Stores a price."""
    await connection.execute(insert(prices).values(row.model_dump()))


async def change_price(connection: AsyncConnection, price_id: str, **changes: Any) -> None:
    """Changes columns of a price."""
    await connection.execute(update(prices).where(prices.c.id == price_id).values(**changes))
