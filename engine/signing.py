"""Signing: links that whoever holds them may use until they expire, and that nobody else can make."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from urllib.parse import urlencode

from db.errors import UniqueViolationError
from db.queries import secrets as queries
from db.session import Database
from db.types import epoch_ms, from_epoch_ms, now

NAME = "links"
SECRET_BYTES = 32


class Links:
    """Makes signed addresses under one of this server, and knows them again."""

    def __init__(self, secret: bytes, base_url: str) -> None:
        self._secret = secret
        self._base_url = base_url.rstrip("/")

    def sign(self, method: str, path: str, lifetime: timedelta) -> tuple[str, datetime]:
        """Returns the whole address of a path that may be used with a method, and until when."""
        expires_at = now() + lifetime
        query = {"expires": epoch_ms(expires_at), "signature": self._signature(method, path, expires_at)}
        return f"{self._base_url}{path}?{urlencode(query)}", expires_at

    def allows(self, method: str, path: str, expires: str, signature: str) -> bool:
        """Tells whether these are the parameters of an address that was signed here and still holds."""
        try:
            expires_at = from_epoch_ms(int(expires))
        except (ValueError, OverflowError, OSError):
            return False
        expected = self._signature(method, path, expires_at)
        genuine = hmac.compare_digest(signature.encode(), expected.encode())
        return genuine and now() < expires_at

    def _signature(self, method: str, path: str, expires_at: datetime) -> str:
        message = f"{method}\n{path}\n{epoch_ms(expires_at)}".encode()
        digest = hmac.new(self._secret, message, hashlib.sha256).digest()
        return urlsafe_b64encode(digest).decode().rstrip("=")


async def link_secret(database: Database, setting: str | None) -> bytes:
    """Returns what links are signed with: made from the operator's secret, or else one the database keeps.

    Raises:
        DatabaseUnavailableError: it could not be read or made.
    """
    if setting is not None:
        return hmac.new(setting.encode(), NAME.encode(), hashlib.sha256).digest()
    async with database.read() as connection:
        found = await queries.find(connection, NAME)
    if found is not None:
        return found
    made = secrets.token_bytes(SECRET_BYTES)
    try:
        async with database.write() as connection:
            await queries.add(connection, NAME, made)
        return made
    except UniqueViolationError:  # another process was faster
        async with database.read() as connection:
            found = await queries.find(connection, NAME)
        assert found is not None
        return found
