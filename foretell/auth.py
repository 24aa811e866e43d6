"""Who sends a request: its credential, found in the headers or in a socket's `connection_init`."""

from __future__ import annotations

from collections.abc import Mapping

from engine.errors import UnauthenticatedError
from engine.identity.authenticator import Authenticator
from engine.values import Viewer


def credential(headers: Mapping[str, str]) -> str | None:
    """Returns the API key of `Authorization: Bearer …` or `X-API-Key`; header names are in lower case.

    Raises:
        UnauthenticatedError: the Authorization header is of another kind.
    """
    authorization = headers.get("authorization", "").strip()
    if authorization:
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise UnauthenticatedError("The Authorization header must be `Bearer fk_…`.")
        return secret.strip()
    return headers.get("x-api-key", "").strip() or None


async def authenticate(
    authenticator: Authenticator, headers: Mapping[str, str], address: str
) -> Viewer | None:
    """Returns who sends a request from an address; None when it carries no credential.

    Raises:
        UnauthenticatedError: the credential is wrong, expired or revoked.
        TooManyAttemptsError: too many wrong ones came from there.
    """
    found = credential(headers)
    return None if found is None else await authenticator.viewer(found, address)
