"""`/metrics`: where Prometheus reads them."""

from __future__ import annotations

from hmac import compare_digest

from fastapi import APIRouter, Request, Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from foretell.metrics.metrics import Metrics
from foretell.settings import Settings

router = APIRouter()


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Answers with all metrics of this process, to those who have the token if there is one."""
    settings: Settings = request.app.state.settings
    token = settings.metrics.token
    if token is not None:
        given = request.headers.get("authorization", "")
        if not compare_digest(given.encode(), f"Bearer {token.get_secret_value()}".encode()):
            return Response(
                "Send FORETELL_METRICS_TOKEN as a Bearer token.\n", 401, {"WWW-Authenticate": "Bearer"}
            )
    found: Metrics = request.app.state.metrics
    return Response(await found.exposition(), media_type=CONTENT_TYPE_LATEST)
