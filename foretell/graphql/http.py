"""GraphQL over HTTP (https://http-spec.graphql.org): one request, one answer.

Status codes: 200 for whatever ran; 400 when JSON or the document can not be parsed; 422 when it can not be
validated or its variables not be coerced, and for parameters of a wrong shape; 401, 403, 404 (a persisted
document), 405, 406, 408, 413, 415, 429 and 500 as usual. A client that accepts application/json and not
application/graphql-response+json can only trust a 200, so it gets one for a request that was well formed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from math import ceil

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.types.graphql import OperationType

from engine import log_ids
from foretell.graphql.body import read_body, require_json
from foretell.graphql.incoming import Departure, Incoming
from foretell.graphql.negotiation import (
    EVENT_STREAM,
    GRAPHQL_RESPONSE,
    JSON,
    Accepted,
    negotiate,
    prefers_html,
)
from foretell.graphql.operations import (
    ANSWERED,
    NO_CREDENTIAL,
    Operations,
    Payload,
    encode,
    failure,
    payload,
    unauthenticated,
)
from foretell.graphql.options import TransportOptions
from foretell.graphql.origins import require_clean_url, require_origin
from foretell.graphql.requests import OperationRequest, Refused, decode_json
from foretell.graphql.session import Session, request_id
from foretell.graphql.sse import EventStreams

logger = logging.getLogger(__name__)

STATUS = {
    "GRAPHQL_PARSE_FAILED": 400,
    "GRAPHQL_VALIDATION_FAILED": 422,
    "BAD_REQUEST": 422,
    "BAD_USER_INPUT": 422,
    "DOCUMENT_LIMIT_EXCEEDED": 422,
    "COST_LIMIT_EXCEEDED": 422,
    "PERSISTED_QUERY_NOT_FOUND": 404,
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "RATE_LIMITED": 429,
    "UNAVAILABLE": 503,
}
"""The status of a request error by its code; 500 for others."""

WELL_FORMED = frozenset(
    code for code, status in STATUS.items() if status in (400, 404, 422) and code != "BAD_REQUEST"
)
"""The codes that a legacy client reads from a 200."""

QUERIES = (OperationType.QUERY,)

UNCACHED = ((b"cache-control", b"no-store"), (b"vary", b"Accept, Authorization, X-API-Key"))
"""No cache shares an answer between callers."""
CONTENT_TYPES = {
    media_type: (b"content-type", f"{media_type}; charset=utf-8".encode())
    for media_type in (GRAPHQL_RESPONSE, JSON)
}


@dataclass(frozen=True, slots=True)
class HTTPTransport:
    """Answers GET and POST; hands on to the event streams what wants one."""

    operations: Operations
    options: TransportOptions
    streams: EventStreams
    page: Callable[[], Response] | None = None
    """What a browser gets that opens the address."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, as an ASGI application."""
        response = await self.respond(Incoming.of(scope, receive))
        await response(scope, receive, send)

    async def respond(self, request: Incoming) -> Response:
        """Return the answer; every one carries X-Request-Id."""
        ours = request_id(request.headers.get("x-request-id"))
        log_ids.name(request_id=ours)
        try:
            response = await self._respond(request, ours)
        except Refused as refused:
            response = answer(failure(refused, ours), refused.status, ours, dict(refused.headers))
        except Exception as error:
            shown = failure(error, ours)
            response = answer(shown, STATUS.get(shown["errors"][0]["extensions"]["code"], 500), ours)
        response.raw_headers.append((b"x-request-id", ours.encode()))
        if response.status_code == 422:
            response.status_code = self.options.unprocessable_status
        return response

    async def _respond(self, request: Incoming, ours: str) -> Response:
        if request.method not in ("GET", "POST"):
            raise Refused("Use GET or POST.", status=405, headers={"Allow": "GET, POST"})
        require_origin(request.headers, self.options.allowed_origins)
        require_clean_url(request.parameters)
        accept = request.headers.get("accept")
        if self.page and request.method == "GET" and prefers_html(accept):
            return self.page()
        accepted = negotiate(accept)
        if accepted is None:
            raise Refused(f"Accept {GRAPHQL_RESPONSE}, {JSON} or {EVENT_STREAM}.", status=406)
        if request.method == "POST":
            require_json(request)
        viewer = await self.operations.viewer(request.headers, request.address)
        if viewer is None and not self.operations.public_fields:
            raise unauthenticated(NO_CREDENTIAL)
        asked = await self._read(request)
        if accepted.media_type == EVENT_STREAM:
            session = Session(viewer, ours, request.address, "sse")
            return await self.streams.respond(request.method, asked, session)
        session = Session(viewer, ours, request.address, "http", left=Departure(request.receive))
        return await self._answer(request, asked, session, accepted)

    async def _read(self, request: Incoming) -> OperationRequest:
        if request.method == "GET":
            return OperationRequest.parse_url(request.parameters)
        body = await read_body(request, limit=self.options.max_body, seconds=self.options.body_timeout)
        return OperationRequest.parse(decode_json(body, "The body"))

    async def _answer(
        self, request: Incoming, asked: OperationRequest, session: Session, accepted: Accepted
    ) -> Response:
        context = self.operations.make_context(session)
        allowed = QUERIES if request.method == "GET" else ANSWERED
        try:
            text = await self.operations.text(asked, context.limits)
            self.operations.require_viewer(text, asked, session.viewer, context.limits)
            result = await self.operations.execute(text, asked, context, allowed)
            shown = payload(result, context)
            response = respond_in(accepted, shown, session)
            if "errors" in shown and "data" in shown and not accepted.legacy:
                response.status_code = self.options.partial_status
        except Refused as refused:
            response = respond_in(accepted, failure(refused, session.request_id), session, refused)
        if request.method == "GET" and response.status_code == 200:
            return cacheable(request, response)
        return response


def respond_in(
    accepted: Accepted, shown: Payload, session: Session, refused: Refused | None = None
) -> Response:
    """Return the response in the accepted media type, with the status that its errors call for."""
    ours, headers = session.request_id, {**session.response_headers, **(refused.headers if refused else {})}
    if "data" in shown:
        return answer(shown, 200, ours, headers, accepted.media_type)
    extensions = shown["errors"][0]["extensions"]
    status = refused.status if refused else STATUS.get(extensions["code"], 500)
    if accepted.legacy and extensions["code"] in WELL_FORMED and status != 413:
        return answer(shown, 200, ours, headers, JSON)
    if "retryAfter" in extensions:
        headers["Retry-After"] = str(ceil(extensions["retryAfter"]))
    return answer(shown, status, ours, headers)


def answer(
    shown: Payload,
    status: int,
    ours: str,
    headers: dict[str, str] | None = None,
    media_type: str = GRAPHQL_RESPONSE,
) -> Response:
    """Return a response that no cache shares between callers."""
    told = [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
    return Encoded(encode(shown, ours), status, [*UNCACHED, *told, CONTENT_TYPES[media_type]])


class Encoded(Response):
    """A response whose body is bytes already, and whose headers, but for its length, are complete."""

    def __init__(self, body: bytes, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.body, self.status_code, self.background = body, status, None
        self.raw_headers = [*headers, (b"content-length", str(len(body)).encode())]


def cacheable(request: Incoming, response: Response) -> Response:
    """Let the client keep the answer to a GET and ask whether it has changed: 304 when it has not."""
    tag = f'"{blake2b(response.body, digest_size=16).hexdigest()}"'
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = "private, no-cache"
    known = request.headers.get("if-none-match", "").split(",")
    if tag in (given.strip().removeprefix("W/") for given in known):
        kept = {name: response.headers[name] for name in ("etag", "cache-control", "vary")}
        return Response(status_code=304, headers=kept)
    return response
