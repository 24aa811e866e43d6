"""Requests, as traces show them: a span for each, within that of whoever sent it."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine import tracing
from engine.tracing import Kind


class TracedRequests:
    """An ASGI middleware. A socket has a span from its handshake to its end, like an event stream."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands a request on within its span."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        method = scope.get("method", "WEBSOCKET")
        given = dict(scope["headers"]).get(b"traceparent")
        attributes = {"http.request.method": method, "network.protocol.name": scope["type"]}
        with tracing.span(
            method, Kind.SERVER, attributes, given.decode("latin-1") if given else None
        ) as span:

            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status = message["status"]
                    span.note({"http.response.status_code": status})
                    if status >= 500:
                        span.fail(str(status))
                await send(message)

            await self._app(scope, receive, noting)
