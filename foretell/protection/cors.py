"""CORS: which pages of other origins may read answers (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from __future__ import annotations

from collections.abc import Collection

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

REQUEST_HEADERS = (
    "Accept",
    "Apollo-Require-Preflight",
    "Authorization",
    "Content-Type",
    "If-None-Match",
    "Last-Event-ID",
    "Traceparent",
    "Tracestate",
    "X-API-Key",
    "X-Request-Id",
)
ANSWER_HEADERS = ("ETag", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id")
MAX_AGE_SECONDS = 600


def allowing(app: ASGIApp, origins: Collection[str]) -> ASGIApp:
    """Lets pages of these origins ask and upload, with keys that they bring themselves: no cookie counts."""
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "POST", "PUT"),
        allow_headers=REQUEST_HEADERS,
        expose_headers=ANSWER_HEADERS,
        max_age=MAX_AGE_SECONDS,
    )
