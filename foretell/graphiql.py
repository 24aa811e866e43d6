"""GraphiQL, served from the files of `foretell/static/graphiql`: offline, and under a strict policy.

`frontend/graphiql` builds those files. Whether a GET wants this page is for the GraphQL router to say.
"""

from __future__ import annotations

import secrets
from functools import cache
from os import PathLike, stat_result
from pathlib import Path

from fastapi import APIRouter
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FILES = Path(__file__).parent / "static" / "graphiql"

# Everything comes from this origin; `connect-src 'self'` holds for the WebSocket too (CSP level 3).
# The nonce lets in the <style> elements of the editor, see frontend/graphiql/README.md.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)
# A worker is under the policy of its own script: no eval, and no way out.
_ASSET_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Security-Policy": "default-src 'none'",
    "X-Content-Type-Options": "nosniff",
}


def page() -> Response:
    """The GraphiQL page. Never cached: each answer has a nonce of its own."""
    nonce = secrets.token_urlsafe(16)
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": _PAGE_POLICY.format(nonce=nonce),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "Vary": "Accept",
        "X-Content-Type-Options": "nosniff",
    }
    return HTMLResponse(_template().replace("{nonce}", nonce), headers=headers)


@cache
def _template() -> str:
    return (FILES / "index.html").read_text(encoding="utf-8")


class Assets(StaticFiles):
    """Files whose names carry a hash of their content: a browser asks for each once."""

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """A file with a year to live."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(_ASSET_HEADERS)
        return response


# The script is 5.2 MB, 1.4 MB compressed; it is compressed in the pieces it is read in, not in one go.
_assets = GZipMiddleware(Assets(directory=FILES / "assets"), compresslevel=6)

router = APIRouter(routes=[Mount("/graphiql/assets", app=_assets, name="graphiql-assets")])
"""Serves what the page loads, under the names it has there."""
