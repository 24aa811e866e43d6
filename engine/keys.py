"""Keys: API keys and the projects they act for.

A secret is `fk_`, 30 random base62 characters (178 bits) and a checksum of six, so that scanners
find leaked ones and a mistyped one is refused without asking the database (the scheme of
https://github.blog/engineering/behind-githubs-new-authentication-token-formats/). The database
keeps its SHA-256: a secret of 178 random bits needs no slow hash.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
import zlib
from collections.abc import Iterable
from datetime import datetime

from db.errors import UniqueViolationError
from db.queries import keys as queries
from db.session import Database
from db.tables import ApiKeyRow, ProjectRow
from db.types import now
from engine.errors import ConflictError, InvalidInputError, NotFoundError, UnauthenticatedError
from engine.values import Scope, Viewer

START = "fk_"
RANDOM_LENGTH = 30
CHECKSUM_LENGTH = 6
PREFIX_LENGTH = len(START) + 8
SECRET_LENGTH = len(START) + RANDOM_LENGTH + CHECKSUM_LENGTH
MAX_NAME = 100
ALPHABET = string.digits + string.ascii_letters


class Keys:
    """Makes, revokes and recognises keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_project(self, name: str, tier: str = "free") -> ProjectRow:
        """Stores a new project.

        Raises:
            ConflictError: there is a project of that name.
            InvalidInputError: the name is empty or longer than 100 characters.
        """
        row = ProjectRow(name=_checked_name(name), tier=tier)
        try:
            async with self._database.write() as connection:
                await queries.add_project(connection, row)
        except UniqueViolationError as error:
            raise ConflictError(
                f"There is a project {row.name!r} already.", path=("input", "name")
            ) from error
        return row

    async def create(
        self,
        project_id: str,
        name: str,
        scopes: Iterable[Scope],
        expires_at: datetime | None = None,
        *,
        granted_by: Viewer | None = None,
    ) -> tuple[ApiKeyRow, str]:
        """Stores a new key and returns it with its secret, which nothing can show again.

        Raises:
            InvalidInputError: the name or the scopes are empty, the expiry is past, or a scope is not
                one that `granted_by` has: nobody hands out what it does not hold.
        """
        wanted = sorted(set(scopes))
        missing = [] if granted_by is None else [scope for scope in wanted if scope not in granted_by.scopes]
        if missing:
            message = f"Your key can not grant {', '.join(missing)}: it has not got that itself."
            raise InvalidInputError(message, path=("input", "scopes"), received=list(missing))
        if not wanted:
            raise InvalidInputError("A key needs at least one scope.", path=("input", "scopes"))
        if expires_at is not None and expires_at <= now():
            raise InvalidInputError("The expiry is in the past.", path=("input", "expiresAt"))
        row, secret = _new_key(project_id, _checked_name(name), wanted, expires_at)
        async with self._database.write() as connection:
            await queries.add_key(connection, row)
        return row, secret

    async def create_first(self, project_name: str, name: str) -> str | None:
        """Stores a project and a key with every scope, unless there is any key; returns its secret, or None.

        Of processes that do so at once, one gets the secret.
        """
        try:
            async with self._database.write() as connection:
                if await queries.count_keys(connection):
                    return None
                project = await queries.project_by_name(connection, project_name, lock=True)
                if project is None:
                    project = ProjectRow(name=project_name)
                    await queries.add_project(connection, project)
                elif await queries.count_keys(connection):  # another process had the lock until now
                    return None
                row, secret = _new_key(project.id, name, list(Scope))
                await queries.add_key(connection, row)
        except UniqueViolationError:
            return None
        return secret

    async def revoke(self, project_id: str, key_id: str) -> ApiKeyRow:
        """Revokes a key at once; one that is revoked already stays as it is.

        Raises:
            NotFoundError: the project has no such key.
        """
        async with self._database.write() as connection:
            await queries.revoke_key(connection, project_id, key_id, now())
            rows = await queries.keys_by_id(connection, project_id, [key_id])
        if not rows:
            raise NotFoundError("There is no such API key.", path=("input", "id"))
        return rows[0]

    async def authenticate(self, secret: str) -> Viewer:
        """Returns who a secret belongs to.

        Raises:
            UnauthenticatedError: it is no key of ours, or not any more.
        """
        if not is_well_formed(secret):
            raise UnauthenticatedError("This is not an API key: keys start with fk_ and have 39 characters.")
        async with self._database.read() as connection:
            row = await queries.key_by_prefix(connection, secret[:PREFIX_LENGTH])
        known = row.secret_hash if row is not None else bytes(32)
        matches = hmac.compare_digest(known, _hash(secret))
        if row is None or not matches:
            raise UnauthenticatedError("There is no such API key.")
        if row.revoked_at is not None:
            raise UnauthenticatedError("This API key was revoked.")
        if row.expires_at is not None and row.expires_at <= now():
            raise UnauthenticatedError("This API key has expired.")
        scopes = frozenset(Scope(scope) for scope in row.scopes)
        return Viewer(row.project_id, row.id, row.name, scopes, row.expires_at)


def new_secret() -> str:
    """Returns a secret that was never there before."""
    random = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return START + random + _checksum(random)


def is_well_formed(secret: str) -> bool:
    """Tells whether a text can be a secret: its start, its length and its checksum are right."""
    random = secret[len(START) : -CHECKSUM_LENGTH]
    return (
        len(secret) == SECRET_LENGTH
        and secret.isascii()
        and secret.startswith(START)
        and hmac.compare_digest(secret[-CHECKSUM_LENGTH:], _checksum(random))
    )


def _new_key(
    project_id: str, name: str, scopes: Iterable[Scope], expires_at: datetime | None = None
) -> tuple[ApiKeyRow, str]:
    secret = new_secret()
    row = ApiKeyRow(
        project_id=project_id,
        name=name,
        prefix=secret[:PREFIX_LENGTH],
        secret_hash=_hash(secret),
        scopes=[str(scope) for scope in scopes],
        expires_at=expires_at,
    )
    return row, secret


def _checksum(random: str) -> str:
    value = zlib.crc32(random.encode())
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        value, digit = divmod(value, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME or "\0" in name:
        message = f"A name has 1 to {MAX_NAME} characters."
        raise InvalidInputError(message, path=("input", "name"), constraint=f"maxLength: {MAX_NAME}")
    return name
