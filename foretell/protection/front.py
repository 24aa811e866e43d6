"""Front: what every request passes first, and its answer last, in one step.

A middleware of its own for each of these would cost a request as much as all of them together do.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from foretell.protection.headers import SecureHeaders
from foretell.protection.hosts import AllowedHosts

Count = Callable[[Scope, int], None]
"""Is told of each answer to a request over HTTP: what was asked, and the status."""


class Front:
    """An ASGI middleware: refuses requests for other hosts, completes the headers of answers, counts them."""

    def __init__(
        self, app: ASGIApp, *, hosts: AllowedHosts | None, headers: SecureHeaders, count: Count | None = None
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._headers = headers
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands a request on, or refuses it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        hosts = self._hosts
        app = self._app if hosts is None or hosts.allow(scope) else hosts.refuse
        await app(scope, receive, self._completing(scope, send) if scope["type"] == "http" else send)

    def _completing(self, scope: Scope, send: Send) -> Send:
        async def completing(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._headers.add(message)
                if self._count is not None:
                    self._count(scope, message["status"])
            await send(message)

        return completing
