"""Refusals: what the routes beside GraphQL answer when they can not do what they were asked."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse, Response

from foretell.graphql.session import request_id


def refusal(
    headers: Mapping[str, str], status: int, code: str, message: str, *, retryable: bool = False
) -> Response:
    """Returns `{"error": {code, message, retryable, requestId}}`; `headers` are those of the request."""
    ours = request_id(headers.get("x-request-id"))
    error = {"code": code, "message": message, "retryable": retryable, "requestId": ours}
    return JSONResponse({"error": error}, status, {"Cache-Control": "no-store", "X-Request-Id": ours})
