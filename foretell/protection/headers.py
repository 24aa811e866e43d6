"""SecureHeaders: headers that keep browsers from doing more with an answer than it is for.

Pages of ours say themselves what they may load; what says nothing may load nothing.
"""

from __future__ import annotations

from starlette.types import Message

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
OVER_TLS = {"Strict-Transport-Security": "max-age=31536000"}


class SecureHeaders:
    """The headers that every answer has; those of `over_tls` where clients come by https."""

    def __init__(self, *, over_tls: bool) -> None:
        added = HEADERS | (OVER_TLS if over_tls else {})
        self._headers = [(name.lower().encode(), value.encode()) for name, value in added.items()]

    def add(self, start: Message) -> None:
        """Adds the headers that an answer lacks, as it starts."""
        headers = list(start.get("headers", ()))
        there = dict(headers)
        headers += [each for each in self._headers if each[0] not in there]
        start["headers"] = headers
