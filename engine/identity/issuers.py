"""Issuers: tokens that an OpenID Connect issuer has signed, and what its users are here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jwt

from db.queries import keys as queries
from db.session import Database
from db.types import now, storable
from engine.errors import UnauthenticatedError
from engine.identity.jwks import KeySet
from engine.identity.tokens import LEEWAY, WRONG
from engine.values import Scope, Viewer

TYPES = (None, "jwt", "at+jwt", "application/at+jwt")
REQUIRED = ["iss", "aud", "exp", "sub"]
NAMES = ("email", "preferred_username", "name", "sub")
MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class Mapping:
    """Which project an issuer's users belong to, and what they may do: the same for all, or by claims."""

    project: str | None
    project_claim: str | None
    scopes: Sequence[Scope]
    scopes_claim: str | None

    def project_of(self, claims: dict[str, Any]) -> str | None:
        """Returns the name of a user's project."""
        named = claims.get(self.project_claim) if self.project_claim else None
        return named if isinstance(named, str) and storable(named) else self.project

    def scopes_of(self, claims: dict[str, Any]) -> frozenset[Scope]:
        """Returns what a user may do; what is no scope of ours is for somebody else."""
        listed = claims.get(self.scopes_claim) if self.scopes_claim else None
        names = listed.split() if isinstance(listed, str) else listed if isinstance(listed, list) else []
        return frozenset(self.scopes) | {scope for scope in Scope if scope.value in names}


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whom we trust, and with what."""

    name: str
    audience: str
    algorithms: Sequence[str]
    mapping: Mapping


@dataclass(frozen=True, slots=True)
class Trust:
    """An issuer and its keys."""

    issuer: Issuer
    keys: KeySet

    async def viewer(self, token: str, headers: dict[str, object], database: Database) -> Viewer:
        """Returns whose token this is.

        Raises:
            UnauthenticatedError: it is not valid, or its project is not there.
            IssuerAwayError: the issuer's keys can not be fetched now.
        """
        claims = await self._claims(token, headers)
        mapping = self.issuer.mapping
        name = mapping.project_of(claims)
        async with database.read() as connection:
            project = None if name is None else await queries.project_by_name(connection, name)
        if project is None:
            raise UnauthenticatedError("The project of this token's user is not there.")
        return Viewer(
            project.id,
            None,
            _name(claims),
            mapping.scopes_of(claims),
            datetime.fromtimestamp(claims["exp"], tz=now().tzinfo),
            user_id=_user_id(self.issuer.name, claims["sub"]),
        )

    async def _claims(self, token: str, headers: dict[str, object]) -> dict[str, Any]:
        kind, key_id, algorithm = headers.get("typ"), headers.get("kid"), headers.get("alg")
        known = (kind.lower() if isinstance(kind, str) else kind) in TYPES
        if not known or not isinstance(key_id, str) or algorithm not in self.issuer.algorithms:
            raise UnauthenticatedError(WRONG)
        key = await self.keys.key(key_id)
        if key is None or key.algorithm not in (None, algorithm):
            raise UnauthenticatedError(WRONG)
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.public,
                algorithms=list(self.issuer.algorithms),
                issuer=self.issuer.name,
                audience=self.issuer.audience,
                leeway=LEEWAY,
                options={"require": REQUIRED},
            )
        except (jwt.PyJWTError, TypeError) as error:  # TypeError: a key of another kind than the algorithm
            raise UnauthenticatedError(WRONG) from error
        return claims


def _name(claims: dict[str, Any]) -> str:
    """Returns what to call a user: the first of some claims that is a text."""
    named = (claims.get(name) for name in NAMES)
    return next((each[:MAX_NAME] for each in named if isinstance(each, str) and each and storable(each)), "")


def _user_id(issuer: str, subject: str) -> str:
    """Returns an id for an issuer's user, the same each time, in the form that ours have."""
    return hashlib.blake2b(f"{issuer}\n{subject}".encode(), digest_size=16).hexdigest()
