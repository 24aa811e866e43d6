"""Counting HTTP requests: by route, method and status."""

from __future__ import annotations

from functools import lru_cache

from prometheus_client import Counter
from starlette.types import Scope

from foretell.metrics.instruments import SERIES

METHODS = frozenset({"GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH"})
OTHER = "other"
PAGES = frozenset({"/", "/graphql", "/health", "/ready", "/metrics", "/uploads", "/jobs"})


class RequestCounter:
    """Counts answers. Other paths, and methods nobody knows, count as `other`."""

    def __init__(self, counter: Counter) -> None:
        self._series = lru_cache(SERIES)(counter.labels)

    def __call__(self, scope: Scope, status: int) -> None:
        """Counts the answer to a request."""
        first = "/" + scope["path"].removeprefix("/").partition("/")[0]
        route = first if first in PAGES else OTHER
        method = scope["method"] if scope["method"] in METHODS else OTHER
        self._series(route, method, str(status)).inc()
