"""Direct: FastAPI, but for the paths whose applications need nothing of it.

Its layers and the search for a route take a small GraphQL request as long as all that GraphQL does.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send


class Direct(FastAPI):
    """A FastAPI application that hands HTTP requests for the paths in `direct` on as they come."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.direct: dict[str, ASGIApp] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands a request on."""
        app = self.direct.get(scope["path"]) if scope["type"] == "http" else None
        if app is not None and not scope.get("root_path"):
            await app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
