"""Users who log in, their sessions, and the refresh tokens of those."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary
from sqlmodel import Field, SQLModel

from db.tables.base import id_field, reference, table_of
from db.types import Json, Time, now


class UserRow(SQLModel, table=True):
    """Somebody who logs in by email address and password; keeps the password's hash, never the password."""

    __tablename__ = "user_account"
    __table_args__ = (Index("ix_user_account_project", "project_id"),)

    id: str = id_field()
    project_id: str = reference("project.id")
    # In lower case and normalised: one person has one address, however it is written.
    email: str = Field(max_length=254, unique=True)
    password_hash: str = Field(max_length=255)
    scopes: list[str] = Field(sa_type=Json)
    created_at: datetime = Field(default_factory=now, sa_type=Time)
    last_login_at: datetime | None = Field(default=None, sa_type=Time)
    disabled_at: datetime | None = Field(default=None, sa_type=Time)


class SessionRow(SQLModel, table=True):
    """A login, up to its logout or expiry: the family of refresh tokens that come from it."""

    __tablename__ = "user_session"
    __table_args__ = (Index("ix_user_session_user", "user_id"),)

    id: str = id_field()
    user_id: str = reference("user_account.id")
    created_at: datetime = Field(default_factory=now, sa_type=Time)
    expires_at: datetime = Field(sa_type=Time)
    ended_at: datetime | None = Field(default=None, sa_type=Time)


class RefreshTokenRow(SQLModel, table=True):
    """A refresh token by its hash. A used one stays, so that its theft is seen when it is used again."""

    __tablename__ = "refresh_token"
    __table_args__ = (Index("ix_refresh_token_session", "session_id"),)

    token_hash: bytes = Field(sa_type=LargeBinary(32), primary_key=True)
    session_id: str = reference("user_session.id")
    used_at: datetime | None = Field(default=None, sa_type=Time)


users = table_of(UserRow)
sessions = table_of(SessionRow)
refresh_tokens = table_of(RefreshTokenRow)
