"""Tokens: short JSON Web Tokens that say which session a request belongs to (RFC 7519, 8725, 9068).

What a user may do is not in them: it is looked up, so that a change holds at once. The algorithm and the
key come from the settings, never from the token; `kid` only picks among our own keys.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

import jwt

from db.types import new_id, now
from engine.errors import UnauthenticatedError

ALGORITHM = "HS256"
TYPE = "at+jwt"
AUDIENCE = "foretell"
LEEWAY = timedelta(seconds=30)
MAX_LENGTH = 8192
REQUIRED = ["iss", "aud", "exp", "iat", "sub", "sid", "jti"]
WRONG = "This access token is not valid, or not any more."


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token of ours says: whose it is, of which session, until when."""

    user_id: str
    session_id: str
    expires_at: datetime


class Tokens:
    """Makes tokens and knows them again."""

    def __init__(self, secret: str, issuer: str, lifetime: timedelta) -> None:
        self._key = hmac.new(secret.encode(), b"access tokens", hashlib.sha256).digest()
        self._key_id = hashlib.sha256(self._key).hexdigest()[:8]
        self._issuer = issuer
        self._lifetime = lifetime

    def make(self, user_id: str, session_id: str) -> tuple[str, datetime]:
        """Returns a token for a session, and until when it is good."""
        at = now()
        expires_at = at + self._lifetime
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": user_id,
            "sid": session_id,
            "jti": new_id(),
            "iat": at,
            "exp": expires_at,
        }
        headers = {"typ": TYPE, "kid": self._key_id}
        return jwt.encode(claims, self._key, ALGORITHM, headers), expires_at

    def made(self, headers: dict[str, object]) -> bool:
        """Tells whether the headers of a token name one of our keys."""
        return headers.get("kid") == self._key_id

    def read(self, token: str) -> Claims:
        """Returns what a token says.

        Raises:
            UnauthenticatedError: it is none of ours, of another kind, or too old; nothing tells which.
        """
        try:
            if jwt.get_unverified_header(token).get("typ") != TYPE:
                raise UnauthenticatedError(WRONG)
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=AUDIENCE,
                leeway=LEEWAY,
                options={"require": REQUIRED, "strict_aud": True},
            )
        except jwt.PyJWTError as error:
            raise UnauthenticatedError(WRONG) from error
        return Claims(str(claims["sub"]), str(claims["sid"]), _time(claims["exp"]))


def headers_of(token: str) -> dict[str, object] | None:
    """Returns the headers of what may be a token, unchecked; None for what can be none."""
    if len(token) > MAX_LENGTH or token.count(".") != 2:
        return None
    try:
        return dict(jwt.get_unverified_header(token))
    except jwt.PyJWTError:
        return None


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, tz=now().tzinfo)
