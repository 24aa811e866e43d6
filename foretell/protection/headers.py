"""SecureHeaders: headers that keep browsers from doing more with an answer than it is for.

Pages of ours say themselves what they may load; what says nothing may load nothing.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
    """An ASGI middleware that adds the headers an answer lacks; `over_tls` where clients come by https."""

    def __init__(self, app: ASGIApp, *, over_tls: bool) -> None:
        self._app = app
        added = HEADERS | (OVER_TLS if over_tls else {})
        self._headers = [(name.lower().encode(), value.encode()) for name, value in added.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands a request on, and its answer with the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                there = {name for name, _ in headers}
                message["headers"] = [*headers, *(each for each in self._headers if each[0] not in there)]
            await send(message)

        await self._app(scope, receive, adding)
