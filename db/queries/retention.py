"""Statements that purge what predictions were asked and what they answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.queries.predictions import LARGE
from db.tables.keys import ProjectRow, projects
from db.tables.predictions import predictions
from db.types import Time


async def projects_to_sweep(connection: AsyncConnection) -> Sequence[ProjectRow]:
    """Reads every project, with how long it keeps what and up to when it is purged."""
    return cast(Sequence[ProjectRow], (await connection.execute(select(projects))).all())


async def old(
    connection: AsyncConnection,
    project: ProjectRow,
    until: datetime,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Sequence[Any]:
    """Finds a project's predictions that ended before a time and may not be purged, the oldest first.

    What was purged up to `project.purged_until` is not looked at again; `after` is the place of the last
    one of the batch before.
    """
    place = (predictions.c.finished_at, predictions.c.id)
    statement = select(*place).where(predictions.c.project_id == project.id, place[0] < until)
    if after is not None:
        statement = statement.where(tuple_(*place) > tuple_(literal(after[0], Time), literal(after[1])))
    elif project.purged_until is not None:
        statement = statement.where(place[0] >= project.purged_until)
    return (await connection.execute(statement.order_by(*place).limit(limit))).all()


async def purge(connection: AsyncConnection, ids: Sequence[str]) -> None:
    """Forgets the input, output and explanation of predictions; everything else stays."""
    statement = update(predictions).where(predictions.c.id.in_(ids))
    await connection.execute(statement.values(dict.fromkeys(LARGE)))


async def note_purged(connection: AsyncConnection, project_id: str, until: datetime) -> None:
    """Notes that a project's predictions which ended before a time are purged."""
    await connection.execute(update(projects).where(projects.c.id == project_id).values(purged_until=until))


async def keep_for(connection: AsyncConnection, project_id: str, days: int | None) -> None:
    """Changes how many days a project keeps inputs and outputs; 0 is for ever, None what the setting says."""
    await connection.execute(update(projects).where(projects.c.id == project_id).values(retention_days=days))
