"""The routes of files: putting an upload, getting a job's results. A signature stands for the API key.

Whoever has no right signature gets 404, whether or not there is such a thing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from db.errors import DatabaseUnavailableError
from engine.errors import ConflictError, ExpectedError, NotFoundError, PayloadTooLargeError
from engine.jobs.downloads import result_lines, results_path
from engine.storage.base import StorageError
from engine.uploads import upload_path
from foretell.refusals import refusal
from resolvers.context import Services

STATUS: tuple[tuple[type[ExpectedError], int], ...] = (
    (NotFoundError, 404),
    (ConflictError, 409),
    (PayloadTooLargeError, 413),
    (ExpectedError, 422),
)
STALL_SECONDS = 30.0
WHOLE_SECONDS = 3600.0
JSON_LINES = "application/jsonl"


async def put_upload(request: Request) -> Response:
    """Takes in a file; 201 with its sha256 when it is stored."""
    services: Services = request.app.state.services
    upload_id = request.path_params["upload_id"]
    if not _is_signed(request, upload_path(upload_id)):
        message = "There is no such upload, or its address does not hold any more."
        return refusal(request.headers, 404, "NOT_FOUND", message)
    try:
        async with asyncio.timeout(WHOLE_SECONDS):
            sha256 = await services.jobs.uploads.receive(upload_id, _paced(request.stream()))
    except TimeoutError:
        message = "The file came too slowly; put it again."
        return refusal(request.headers, 408, "TIMEOUT", message, retryable=True)
    except ClientDisconnect:
        return refusal(request.headers, 400, "BAD_REQUEST", "The file was broken off.", retryable=True)
    except ExpectedError as error:
        status = next(status for kind, status in STATUS if isinstance(error, kind))
        return refusal(request.headers, status, error.code, error.message, retryable=error.retryable)
    except (StorageError, DatabaseUnavailableError):
        message = "The file could not be stored now; try again."
        return refusal(request.headers, 503, "UNAVAILABLE", message, retryable=True)
    return JSONResponse({"sha256": sha256}, 201, {"Cache-Control": "no-store"})


async def get_results(request: Request) -> Response:
    """Streams the results that a job has so far."""
    services: Services = request.app.state.services
    job_id = request.path_params["job_id"]
    if not _is_signed(request, results_path(job_id)):
        message = "There are no such results, or their address does not hold any more."
        return refusal(request.headers, 404, "NOT_FOUND", message)
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{job_id}.jsonl"',
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(_lines(services, job_id), media_type=JSON_LINES, headers=headers)


async def _paced(body: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """Yields a body, but waits no longer for its next piece than a slow client needs.

    Raises:
        TimeoutError: nothing came.
    """
    async with aclosing(body) as pieces:
        while True:
            async with asyncio.timeout(STALL_SECONDS):
                try:
                    piece = await anext(pieces)
                except StopAsyncIteration:
                    return
            yield piece


async def _lines(services: Services, job_id: str) -> AsyncIterator[bytes]:
    async with aclosing(result_lines(services.database, job_id)) as pages:
        async for page in pages:
            yield page


def _is_signed(request: Request, path: str) -> bool:
    services: Services = request.app.state.services
    given = request.query_params
    links = services.jobs.links
    return links.allows(request.method, path, given.get("expires", ""), given.get("signature", ""))


ROUTES: list[BaseRoute] = [
    Route(upload_path("{upload_id}"), put_upload, methods=["PUT"], include_in_schema=False),
    Route(results_path("{job_id}"), get_results, methods=["GET"], include_in_schema=False),
]
