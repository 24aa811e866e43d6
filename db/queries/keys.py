"""Statements about projects and API keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import bindparam, delete, exists, func, insert, or_, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.pages import Order, Page, Window, read_page
from db.prepared import Prepared
from db.tables.budgets import budgets
from db.tables.keys import ApiKeyRow, ProjectRow, RetiredSecretRow, api_keys, projects, retired_secrets

NEWEST_FIRST = Order("CREATED_AT", (api_keys.c.id,), descending=True)
BY_PREFIX = Prepared(select(api_keys).where(api_keys.c.prefix == bindparam("prefix")))


async def add_project(connection: AsyncConnection, row: ProjectRow) -> None:
    """Stores a project."""
    await connection.execute(insert(projects).values(row.model_dump()))


async def project_by_name(connection: AsyncConnection, name: str, *, lock: bool = False) -> ProjectRow | None:
    """Finds a project by its name; `lock` keeps others who lock it waiting until the transaction ends."""
    statement = select(projects).where(projects.c.name == name)
    found = await connection.execute(statement.with_for_update() if lock else statement)
    return cast(ProjectRow | None, found.first())


async def projects_by_id(connection: AsyncConnection, ids: Sequence[str]) -> Sequence[ProjectRow]:
    """Finds projects by id, in no particular order."""
    found = await connection.execute(select(projects).where(projects.c.id.in_(ids)))
    return cast(Sequence[ProjectRow], found.all())


async def terms_of(connection: AsyncConnection, ids: Sequence[str]) -> Sequence[Any]:
    """Returns `id`, `tier` and `has_budgets` of some projects."""
    has_budgets = exists().where(budgets.c.project_id == projects.c.id).label("has_budgets")
    statement = select(projects.c.id, projects.c.tier, has_budgets).where(projects.c.id.in_(ids))
    return (await connection.execute(statement)).all()


async def change_tier(connection: AsyncConnection, project_id: str, tier: str) -> None:
    """Gives a project another tier."""
    await connection.execute(update(projects).where(projects.c.id == project_id).values(tier=tier))


async def all_projects(connection: AsyncConnection) -> Sequence[ProjectRow]:
    """Lists every project by name, for the operator."""
    return cast(
        Sequence[ProjectRow], (await connection.execute(select(projects).order_by(projects.c.name))).all()
    )


async def add_key(connection: AsyncConnection, row: ApiKeyRow) -> None:
    """Stores a key.

    Raises:
        UniqueViolationError: the prefix is taken.
    """
    await connection.execute(insert(api_keys).values(row.model_dump()))


async def key_by_prefix(connection: AsyncConnection, prefix: str) -> ApiKeyRow | None:
    """Finds the key a secret may belong to; the caller compares the hash."""
    return cast(ApiKeyRow | None, await BY_PREFIX.first(connection, prefix=prefix))


async def retired_secret(
    connection: AsyncConnection, prefix: str
) -> tuple[RetiredSecretRow, ApiKeyRow] | None:
    """Finds a secret from before a rotation by its start, with the key it belongs to."""
    mine = select(retired_secrets).where(retired_secrets.c.prefix == prefix)
    retired = cast(RetiredSecretRow | None, (await connection.execute(mine)).first())
    if retired is None:
        return None
    found = await connection.execute(select(api_keys).where(api_keys.c.id == retired.api_key_id))
    return retired, cast(ApiKeyRow, found.one())


async def keys_by_id(connection: AsyncConnection, project_id: str, ids: Sequence[str]) -> Sequence[ApiKeyRow]:
    """Finds a project's keys by id, in no particular order."""
    mine = api_keys.c.project_id == project_id
    found = await connection.execute(select(api_keys).where(mine, api_keys.c.id.in_(ids)))
    return cast(Sequence[ApiKeyRow], found.all())


async def keys_page(connection: AsyncConnection, project_id: str, window: Window) -> Page[ApiKeyRow]:
    """Reads a page of a project's keys, newest first."""
    mine = select(api_keys).where(api_keys.c.project_id == project_id)
    return await read_page(connection, mine, NEWEST_FIRST, window)


async def count_keys(connection: AsyncConnection, project_id: str | None = None) -> int:
    """Counts the keys of a project, or all there are."""
    statement = select(func.count()).select_from(api_keys)
    if project_id is not None:
        statement = statement.where(api_keys.c.project_id == project_id)
    return (await connection.execute(statement)).scalar_one()


async def revoke_key(connection: AsyncConnection, project_id: str, key_id: str, at: datetime) -> bool:
    """Revokes a key that is not revoked yet; returns whether it was this call that did."""
    live = (api_keys.c.project_id == project_id, api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
    return (await connection.execute(update(api_keys).where(*live).values(revoked_at=at))).rowcount == 1


async def lock_key(connection: AsyncConnection, project_id: str, key_id: str) -> ApiKeyRow | None:
    """Reads a project's key that nobody else changes before this transaction ends."""
    mine = select(api_keys).where(api_keys.c.project_id == project_id, api_keys.c.id == key_id)
    return cast(ApiKeyRow | None, (await connection.execute(mine.with_for_update())).first())


async def change_secret(
    connection: AsyncConnection, key_id: str, prefix: str, secret_hash: bytes, at: datetime
) -> None:
    """Gives a key another secret.

    Raises:
        UniqueViolationError: the prefix is taken.
    """
    changed = update(api_keys).where(api_keys.c.id == key_id)
    await connection.execute(changed.values(prefix=prefix, secret_hash=secret_hash, rotated_at=at))


async def retire_secret(connection: AsyncConnection, row: RetiredSecretRow, at: datetime) -> None:
    """Lets a key's former secret work for a while, and those before it no longer than that.

    What has had its time is forgotten.
    """
    others = retired_secrets.c.api_key_id == row.api_key_id
    over = retired_secrets.c.expires_at <= at
    await connection.execute(delete(retired_secrets).where(others, over))
    later = retired_secrets.c.expires_at > row.expires_at
    await connection.execute(update(retired_secrets).where(others, later).values(expires_at=row.expires_at))
    if row.expires_at > at:
        await connection.execute(insert(retired_secrets).values(row.model_dump()))


async def live_prefixes(connection: AsyncConnection, prefixes: Sequence[str], at: datetime) -> Sequence[str]:
    """Finds which of some secrets, by their starts, open something at a time."""
    works = (
        api_keys.c.revoked_at.is_(None),
        or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > at),
    )
    current = select(api_keys.c.prefix).where(api_keys.c.prefix.in_(prefixes), *works)
    joined = retired_secrets.join(api_keys, api_keys.c.id == retired_secrets.c.api_key_id)
    retired = select(retired_secrets.c.prefix).select_from(joined)
    retired = retired.where(retired_secrets.c.prefix.in_(prefixes), retired_secrets.c.expires_at > at, *works)
    return (await connection.execute(union_all(current, retired))).scalars().all()


async def touch_keys(connection: AsyncConnection, ids: Sequence[str], at: datetime) -> None:
    """Notes that keys were used."""
    await connection.execute(update(api_keys).where(api_keys.c.id.in_(ids)).values(last_used_at=at))
