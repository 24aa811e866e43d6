"""The console at `/`, served from the files of `foretell/static/console`: offline, and under a strict policy.

`frontend/console` builds those files. What the page shows it asks of the public API, with the reader's key.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fastapi import APIRouter
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route

from foretell.graphiql import Assets

FILES = Path(__file__).parent / "static" / "console"

# Everything comes from this origin; `connect-src 'self'` holds for the WebSocket too (CSP level 3).
_PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def page(_: object = None) -> Response:
    """The console's page; it holds nothing of anybody."""
    return HTMLResponse(_text(), headers=_PAGE_HEADERS)


@cache
def _text() -> str:
    return (FILES / "index.html").read_text(encoding="utf-8")


_assets = GZipMiddleware(Assets(directory=FILES / "assets"), compresslevel=6)

router = APIRouter(
    routes=[
        Route("/", page, methods=["GET"], name="console"),
        Mount("/console/assets", app=_assets, name="console-assets"),
    ]
)
"""Serves the page, and what it loads."""
