"""Counting HTTP requests: by route, method and status."""

from __future__ import annotations

from prometheus_client import Counter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = frozenset({"GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH"})
OTHER = "other"
PAGES = frozenset({"/", "/graphql", "/health", "/ready", "/metrics", "/uploads", "/jobs"})


class RequestCounter:
    """An ASGI middleware. Other paths, and methods nobody knows, count as `other`."""

    def __init__(self, app: ASGIApp, counter: Counter) -> None:
        self._app = app
        self._counter = counter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands a request on, and counts it when its answer begins."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count(scope, message["status"])
            await send(message)

        await self._app(scope, receive, counting)

    def _count(self, scope: Scope, status: int) -> None:
        first = "/" + scope["path"].removeprefix("/").partition("/")[0]
        route = first if first in PAGES else OTHER
        method = scope["method"] if scope["method"] in METHODS else OTHER
        self._counter.labels(route, method, str(status)).inc()
