"""Sessions: users log in, stay so by refresh tokens, and log out.

A refresh token is used once and gives the next one. If it is used again somebody has stolen it, or the
one that followed, so the whole session ends (RFC 9700, 4.14.2).
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from db.queries import users as queries
from db.session import Database
from db.tables import SessionRow, UserRow
from db.types import now
from engine.audit import Action, Actor, note
from engine.bus.base import Bus
from engine.errors import (
    ConflictError,
    InvalidInputError,
    RateLimitedError,
    TooManyAttemptsError,
    UnauthenticatedError,
)
from engine.identity.guesses import Guesses
from engine.identity.passwords import Passwords
from engine.identity.tokens import WRONG, Tokens
from engine.keys import CREDENTIALS
from engine.users import normal_email
from engine.values import Scope, Viewer

START = "fr_"
RANDOM_BYTES = 32
NOT_SET_UP = (
    "Users can not log in: this server has no secret to sign with. Set FORETELL_SECRET to at least 32 random "
    "characters (openssl rand -base64 48) and start it again."
)
WRONG_PASSWORD = "There is no user with this email address and password."  # noqa: S105  (it is a message)
WRONG_REFRESH = "This refresh token is not valid, or not any more: log in again."


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The tokens of a session, and until when each is good."""

    access_token: str
    expires_at: datetime
    refresh_token: str
    refresh_expires_at: datetime


class Sessions:
    """Logs users in and out; without `tokens` nobody can log in."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        passwords: Passwords,
        guesses: Guesses,
        tokens: Tokens | None,
        lifetime: timedelta,
    ) -> None:
        self._database = database
        self._bus = bus
        self._passwords = passwords
        self._guesses = guesses
        self._tokens = tokens
        self._lifetime = lifetime

    async def login(self, email: str, password: str, *, address: str, request_id: str) -> LoggedIn:
        """Begins a session.

        Raises:
            ConflictError: the server has no secret to sign with; the message says how to set it.
            InvalidInputError: there is no such user, the password is wrong, or the user is disabled: nothing
                tells which, not even the time it takes.
            RateLimitedError: too many wrong passwords came from the address, or too many log in now.
        """
        tokens, name = self._signing(), normal_email(email)
        self._require_room(address, name)
        self._guesses.wrong(address, name)  # before it is known, or many at once would be let through
        async with self._database.read() as connection:
            user = await queries.by_email(connection, name)
        genuine, better = await self._passwords.matches(password, user.password_hash if user else None)
        if user is None or not genuine or user.disabled_at is not None:
            raise InvalidInputError(WRONG_PASSWORD, path=("input", "password"))
        self._guesses.forgive(address, name)
        return await self._begin(tokens, user, better, request_id)

    async def refresh(self, token: str, *, address: str, request_id: str) -> LoggedIn:
        """Gives a session new tokens; the refresh token it came with can not be used again.

        Raises:
            ConflictError: as `login`.
            InvalidInputError: the token is not valid, or was used before; then the session has ended.
            RateLimitedError: too many wrong tokens came from the address.
        """
        tokens, new = self._signing(), _new_token()
        self._require_room(address, START)
        async with self._database.write() as connection:
            session = await self._exchange(connection, token, new, request_id)
        if session is None:
            self._guesses.wrong(address, START)
            self._bus.announce(CREDENTIALS, "changed")
            raise InvalidInputError(WRONG_REFRESH, path=("input", "refreshToken"))
        return LoggedIn(*tokens.make(session.user_id, session.id), new, session.expires_at)

    async def _exchange(
        self, connection: AsyncConnection, token: str, new: str, request_id: str
    ) -> SessionRow | None:
        """Puts a new refresh token in the place of one, and returns its session; None: it is not valid."""
        found, at = await queries.session_of(connection, _hash(token)), now()
        if found is None:
            return None
        row, session, user = found
        if row.used_at is not None:
            if await queries.end_session(connection, session.id, at):
                await _note(connection, Action.SESSION_REUSED, user, session.id, request_id)
            return None
        if session.ended_at is not None or session.expires_at <= at or user.disabled_at is not None:
            return None
        await queries.use_token(connection, row.token_hash, at)
        await queries.add_token(connection, session.id, _hash(new))
        return session

    async def logout(self, token: str, *, request_id: str) -> bool:
        """Ends the session of a refresh token, used or not; returns whether there was one that went on."""
        async with self._database.write() as connection:
            found = await queries.session_of(connection, _hash(token))
            ended = found is not None and await queries.end_session(connection, found[1].id, now())
            if found is not None and ended:
                await _note(connection, Action.SESSION_ENDED, found[2], found[1].id, request_id)
        self._bus.announce(CREDENTIALS, "changed")
        return ended

    def made(self, headers: dict[str, object]) -> bool:
        """Tells whether the headers of a token name our key."""
        return self._tokens is not None and self._tokens.made(headers)

    async def viewer(self, token: str) -> Viewer:
        """Returns whose session an access token belongs to.

        Raises:
            UnauthenticatedError: it is not valid, the session has ended, or the user is disabled.
        """
        if self._tokens is None:
            raise UnauthenticatedError(NOT_SET_UP)
        claims = self._tokens.read(token)
        async with self._database.read() as connection:
            user = await queries.live_session(connection, claims.session_id, now())
        if user is None or user.id != claims.user_id:
            raise UnauthenticatedError(WRONG)
        return Viewer(
            user.project_id,
            None,
            user.email,
            frozenset(Scope(scope) for scope in user.scopes),
            claims.expires_at,
            credential=claims.session_id,
            user_id=user.id,
        )

    async def _begin(self, tokens: Tokens, user: UserRow, better: str | None, request_id: str) -> LoggedIn:
        at, token = now(), _new_token()
        session = SessionRow(user_id=user.id, expires_at=at + self._lifetime)
        changes = {"last_login_at": at, **({"password_hash": better} if better else {})}
        async with self._database.write() as connection:
            await queries.change(connection, user.id, **changes)
            await queries.forget_sessions(connection, user.id, at)
            await queries.begin_session(connection, session, _hash(token))
            await _note(connection, Action.SESSION_BEGUN, user, session.id, request_id)
        return LoggedIn(*tokens.make(user.id, session.id), token, session.expires_at)

    def _signing(self) -> Tokens:
        if self._tokens is None:
            raise ConflictError(NOT_SET_UP)
        return self._tokens

    def _require_room(self, address: str, name: str) -> None:
        try:
            self._guesses.require_room(address, name)
        except TooManyAttemptsError as error:
            raise RateLimitedError(error.message, retry_after_seconds=error.retry_after_seconds) from error


async def _note(
    connection: AsyncConnection, action: Action, user: UserRow, session_id: str, request_id: str
) -> None:
    actor = Actor(f"user {user.email}"[:100], user.id, request_id)
    details = {"session": session_id}
    await note(connection, actor, action, user.email, project_id=user.project_id, details=details)


def _new_token() -> str:
    return START + secrets.token_urlsafe(RANDOM_BYTES)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
