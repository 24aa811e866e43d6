"""Users: people who log in; the operator makes them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncConnection

from db.errors import UniqueViolationError
from db.queries import users as queries
from db.session import Database
from db.tables import UserRow
from db.types import now
from engine.audit import OPERATOR, Action, note
from engine.bus.base import Bus
from engine.errors import ConflictError, InvalidInputError, NotFoundError
from engine.keys import CREDENTIALS
from engine.values import Scope

MAX_EMAIL = 254


class Users:
    """Makes and changes users. Passwords come as hashes: see `engine.identity.passwords`."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus

    async def create(
        self, project_id: str, email: str, password_hash: str, scopes: Iterable[Scope]
    ) -> UserRow:
        """Stores a new user.

        Raises:
            ConflictError: there is a user with that address, in this project or another.
            InvalidInputError: this is no address.
        """
        name = normal_email(email)
        local, _, host = name.rpartition("@")
        if not local or not host or len(name) > MAX_EMAIL or any(map(_is_space_or_control, name)):
            raise InvalidInputError(f"{email!r} is no email address.", path=("input", "email"))
        row = UserRow(
            project_id=project_id,
            email=name,
            password_hash=password_hash,
            scopes=[str(scope) for scope in sorted(set(scopes))],
        )
        try:
            async with self._database.write() as connection:
                await queries.add(connection, row)
                details = {"scopes": row.scopes}
                await note(
                    connection,
                    OPERATOR,
                    Action.USER_CREATED,
                    row.email,
                    project_id=project_id,
                    details=details,
                )
        except UniqueViolationError as error:
            raise ConflictError(f"There is a user {name} already.", path=("input", "email")) from error
        return row

    async def disable(self, email: str, *, disabled: bool = True) -> UserRow:
        """Keeps a user out, at once and on every process, or lets it in again.

        Raises:
            NotFoundError: there is no such user.
        """
        action = Action.USER_DISABLED if disabled else Action.USER_ENABLED
        return await self._change(email, action, disabled_at=now() if disabled else None)

    async def set_password(self, email: str, password_hash: str) -> UserRow:
        """Gives a user another password; every session ends.

        Raises:
            NotFoundError: there is no such user.
        """
        return await self._change(email, Action.USER_PASSWORD, password_hash=password_hash)

    async def _change(self, email: str, action: Action, **changes: object) -> UserRow:
        async with self._database.write() as connection:
            row = await queries.by_email(connection, normal_email(email))
            if row is None:
                raise NotFoundError(f"There is no user {email}.", path=("input", "email"))
            await queries.change(connection, row.id, **changes)
            await queries.end_sessions(connection, row.id, now())
            await _note(connection, action, row)
        self._bus.announce(CREDENTIALS, "changed")
        return row


async def _note(connection: AsyncConnection, action: Action, row: UserRow, **details: object) -> None:
    await note(connection, OPERATOR, action, row.email, project_id=row.project_id, details=details)


def normal_email(email: str) -> str:
    """Returns an address as it is stored: one for all the ways to write it."""
    return unicodedata.normalize("NFKC", email).strip().casefold().replace("\0", "")


def _is_space_or_control(character: str) -> bool:
    return character.isspace() or unicodedata.category(character).startswith("C")
