"""API keys as credentials: whom a secret belongs to."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from cachetools import LRUCache

from db.queries import keys as queries
from db.session import Database
from db.tables import ApiKeyRow
from db.types import now
from engine.errors import UnauthenticatedError, UnknownCredentialError
from engine.key_secrets import NO_HASH, SECRET_LENGTH, START, hash_of, is_well_formed, matches, prefix_of
from engine.keys import why_dead
from engine.values import Scope, Viewer

REMEMBERED = 10_000
"""Viewers at most: some megabytes."""


class _Known(NamedTuple):
    """What a secret was found to be the last time."""

    row: ApiKeyRow
    expires_at: datetime | None
    viewer: Viewer


class ApiKeys:
    """Recognises the secrets of keys, those of before a rotation too.

    The database is asked every time; what its row means is found out again when the row has changed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: LRUCache[bytes, _Known] = LRUCache(REMEMBERED)

    async def viewer(self, secret: str, digest: bytes | None = None) -> Viewer:
        """Returns who a secret belongs to; `digest` is its hash, for those who know it.

        Raises:
            UnknownCredentialError: it is no key of ours.
            UnauthenticatedError: it was revoked, or has expired.
        """
        digest = digest or hash_of(secret)
        known = self._known.get(digest)
        if known is None and not is_well_formed(secret):
            raise UnknownCredentialError(_why_no_key(secret))
        row, expires_at, stored = await self._find(prefix_of(secret))
        genuine = matches(digest, stored)
        if row is None or not genuine:
            raise UnknownCredentialError("There is no such API key.")
        if (reason := why_dead(row, now(), expires_at)) is not None:
            raise UnauthenticatedError(reason)
        if known is None or known.row != row or known.expires_at != expires_at:
            known = self._known[digest] = _Known(row, expires_at, _viewer(row, expires_at, secret))
        return known.viewer

    async def _find(self, prefix: str) -> tuple[ApiKeyRow | None, datetime | None, bytes]:
        """Returns the key that has or had a secret of this start, until when it works, and its hash."""
        found = self._database.at_once(queries.BY_PREFIX, prefix=prefix)
        if found:
            return found[0], found[0].expires_at, found[0].secret_hash
        async with self._database.read() as connection:
            row = await queries.key_by_prefix(connection, prefix)
            if row is not None:
                return row, row.expires_at, row.secret_hash
            former = await queries.retired_secret(connection, prefix)
        if former is None:
            return None, None, NO_HASH
        retired, row = former
        ends = retired.expires_at if row.expires_at is None else min(retired.expires_at, row.expires_at)
        return row, ends, retired.secret_hash


def _viewer(row: ApiKeyRow, expires_at: datetime | None, secret: str) -> Viewer:
    return Viewer(
        row.project_id,
        row.id,
        row.name,
        frozenset(map(Scope, row.scopes)),
        expires_at,
        models=None if row.models is None else frozenset(row.models),
        credential=prefix_of(secret),
    )


def _why_no_key(secret: str) -> str:
    """Says what is wrong with the form of a secret."""
    if secret.startswith(START) and len(secret) == SECRET_LENGTH:
        return "This is not an API key: it is mistyped, for its checksum does not fit. Copy it again."
    return (
        f"This is not an API key: keys start with {START} and have {SECRET_LENGTH} characters. "
        "Is it mistyped or cut?"
    )
