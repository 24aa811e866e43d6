"""Statements about the registry as a whole: its revision, and all that it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.prepared import Prepared
from db.tables.aliases import ModelAliasRow, aliases
from db.tables.models import (
    ModelRow,
    ModelVersionRow,
    PriceRow,
    model_versions,
    models,
    prices,
    registry,
)

REVISION = Prepared(select(registry.c.revision))


@dataclass(frozen=True, slots=True)
class Everything:
    """All aliases, models and versions, oldest first, all prices, by when they begin to hold, and a revision
    that none of it is older than."""

    revision: int
    aliases: Sequence[ModelAliasRow]
    models: Sequence[ModelRow]
    versions: Sequence[ModelVersionRow]
    prices: Sequence[PriceRow]


async def revision(connection: AsyncConnection) -> int:
    """Returns how often the registry was changed."""
    found = await REVISION.first(connection)
    return 0 if found is None else int(found.revision)


async def raise_revision(connection: AsyncConnection) -> None:
    """Says that the registry is another; belongs to each transaction that changes it.

    From here to their commit changes take turns, so who sees a revision sees its change.
    """
    raised = await connection.execute(update(registry).values(revision=registry.c.revision + 1))
    if not raised.rowcount:
        await connection.execute(insert(registry).values(id=1, revision=1))


async def everything(connection: AsyncConnection) -> Everything:
    """Reads all aliases, models, versions and prices: the catalog is made from it."""
    known = await revision(connection)  # first: what changes meanwhile is read again
    # Aliases before what they lead to: the versions of those that are found are there by then.
    orders = (aliases.c.id, models.c.id, model_versions.c.id, prices.c.valid_from)
    found = [(await connection.execute(select(column.table).order_by(column))).all() for column in orders]
    return Everything(
        known,
        cast(Sequence[ModelAliasRow], found[0]),
        cast(Sequence[ModelRow], found[1]),
        cast(Sequence[ModelVersionRow], found[2]),
        cast(Sequence[PriceRow], found[3]),
    )
