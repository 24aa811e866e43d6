"""Statements about users, their sessions and refresh tokens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.users import (
    RefreshTokenRow,
    SessionRow,
    UserRow,
    refresh_tokens,
    sessions,
    users,
)


async def add(connection: AsyncConnection, row: UserRow) -> None:
    """Stores a user.

    Raises:
        UniqueViolationError: the email address is taken.
    """
    await connection.execute(insert(users).values(row.model_dump()))


async def by_email(connection: AsyncConnection, email: str) -> UserRow | None:
    """Finds a user of any project by the normalised email address."""
    found = await connection.execute(select(users).where(users.c.email == email))
    return cast(UserRow | None, found.first())


async def all_of(connection: AsyncConnection, project_id: str) -> Sequence[UserRow]:
    """Lists the users of a project by email address, for the operator."""
    statement = select(users).where(users.c.project_id == project_id).order_by(users.c.email)
    return cast(Sequence[UserRow], (await connection.execute(statement)).all())


async def change(connection: AsyncConnection, user_id: str, **changes: Any) -> None:
    """Changes columns of a user."""
    await connection.execute(update(users).where(users.c.id == user_id).values(**changes))


async def begin_session(connection: AsyncConnection, row: SessionRow, token_hash: bytes) -> None:
    """Stores a session with its first refresh token."""
    await connection.execute(insert(sessions).values(row.model_dump()))
    await add_token(connection, row.id, token_hash)


async def add_token(connection: AsyncConnection, session_id: str, token_hash: bytes) -> None:
    """Stores a refresh token of a session."""
    await connection.execute(insert(refresh_tokens).values(token_hash=token_hash, session_id=session_id))


async def session_of(
    connection: AsyncConnection, token_hash: bytes
) -> tuple[RefreshTokenRow, SessionRow, UserRow] | None:
    """Finds a refresh token with its session and user; others who refresh the session wait."""
    token = select(refresh_tokens).where(refresh_tokens.c.token_hash == token_hash)
    found = cast(RefreshTokenRow | None, (await connection.execute(token)).first())
    if found is None:
        return None
    locked = select(sessions).where(sessions.c.id == found.session_id).with_for_update()
    session = cast(SessionRow, (await connection.execute(locked)).one())
    again = cast(RefreshTokenRow, (await connection.execute(token)).one())  # as whoever had the lock left it
    user = await connection.execute(select(users).where(users.c.id == session.user_id))
    return again, session, cast(UserRow, user.one())


async def use_token(connection: AsyncConnection, token_hash: bytes, at: datetime) -> None:
    """Notes that a refresh token was used; it can not be used again."""
    mine = refresh_tokens.c.token_hash == token_hash
    await connection.execute(update(refresh_tokens).where(mine).values(used_at=at))


async def live_session(connection: AsyncConnection, session_id: str, at: datetime) -> UserRow | None:
    """Finds whose session this is, if it goes on at a time and its user is not disabled."""
    joined = users.join(sessions, sessions.c.user_id == users.c.id)
    statement = select(users).select_from(joined).where(sessions.c.id == session_id, *_live(at))
    return cast(UserRow | None, (await connection.execute(statement)).first())


async def live_sessions(connection: AsyncConnection, ids: Sequence[str], at: datetime) -> Sequence[str]:
    """Finds which of some sessions go on at a time."""
    joined = users.join(sessions, sessions.c.user_id == users.c.id)
    statement = select(sessions.c.id).select_from(joined).where(sessions.c.id.in_(ids), *_live(at))
    return (await connection.execute(statement)).scalars().all()


async def end_session(connection: AsyncConnection, session_id: str, at: datetime) -> bool:
    """Ends a session that goes on; returns whether it did."""
    open_one = (sessions.c.id == session_id, sessions.c.ended_at.is_(None), sessions.c.expires_at > at)
    return (await connection.execute(update(sessions).where(*open_one).values(ended_at=at))).rowcount == 1


async def end_sessions(connection: AsyncConnection, user_id: str, at: datetime) -> None:
    """Ends every session of a user."""
    open_ones = (sessions.c.user_id == user_id, sessions.c.ended_at.is_(None))
    await connection.execute(update(sessions).where(*open_ones).values(ended_at=at))


async def forget_sessions(connection: AsyncConnection, user_id: str, before: datetime) -> None:
    """Forgets the sessions of a user that expired before a time."""
    old = (sessions.c.user_id == user_id, sessions.c.expires_at < before)
    theirs = refresh_tokens.c.session_id.in_(select(sessions.c.id).where(*old))
    await connection.execute(delete(refresh_tokens).where(theirs))
    await connection.execute(delete(sessions).where(*old))


def _live(at: datetime) -> tuple[Any, ...]:
    return (sessions.c.ended_at.is_(None), sessions.c.expires_at > at, users.c.disabled_at.is_(None))
