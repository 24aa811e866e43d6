"""Direct: FastAPI, but for the paths whose applications need nothing of it.

Its layers and the search for a route take a small GraphQL request as long as all that GraphQL does, and a
socket keeps what each of them has in memory for as long as it is open.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send


class Direct(FastAPI):
    """A FastAPI application that hands on, as they come, requests and sockets for the paths in `direct`."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.direct: dict[tuple[str, str], ASGIApp] = {}
        """Which application serves a type of scope, "http" or "websocket", at a path."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands a request or a socket on."""
        app = self.direct.get((scope["type"], scope.get("path", "")))
        if app is not None and not scope.get("root_path"):
            await app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
