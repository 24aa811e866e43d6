"""Where a browser's request comes from: pages of other sites are refused, whatever they bring.

Browsers let any page open a socket, and send some requests without asking. No cookie counts here, so such
a page has no credential to abuse; it is refused all the same before anything is read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from strawberry.http.websocket_origin import is_same_origin, normalize_origin

from foretell.graphql.requests import Refused

CREDENTIALS = frozenset(
    {"access_token", "api-key", "api_key", "apikey", "authorization", "token", "x-api-key"}
)


def require_origin(headers: Mapping[str, str], allowed: Collection[str]) -> None:
    """Return when no page asks, or one of our own origin or of an allowed one. Raises Refused (403)."""
    origin = headers.get("origin")
    if origin is None or is_same_origin(origin, headers.get("host")):
        return
    if not {"*", normalize_origin(origin)} & set(allowed):
        raise Refused("Pages of this origin may not connect.", code="FORBIDDEN", status=403)


def require_clean_url(parameters: Mapping[str, str]) -> None:
    """Return when a URL holds no credential: URLs end up in logs and histories. Raises Refused (400)."""
    if not parameters:
        return
    found = {name.lower() for name in parameters} & CREDENTIALS
    if found or any(value.startswith("fk_") for value in parameters.values()):
        message = (
            "Credentials do not belong into a URL, which ends up in logs: send a header, and rotate this one."
        )
        raise Refused(message, status=400)
