"""Reading a request's body: of the right type, not too long, not too slow."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from foretell.graphql.requests import Refused

CLOSE = {"Connection": "close"}
"""The rest of such a body is not read."""


def require_json(request: Request) -> None:
    """Return when the body is said to be JSON in UTF-8.

    The type is compared exactly: application/json-patch+json is another one, and a form or text/plain, which
    a page of another origin may send without asking, is refused. Raises Refused (415).
    """
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.lower().replace(" ", "").replace('"', "").partition("charset=")[2].split(";")[0]
    encoded = request.headers.get("content-encoding", "identity").strip().lower() != "identity"
    if media_type.strip().lower() != "application/json" or charset not in ("", "utf-8", "utf8") or encoded:
        raise Refused("Send the request as application/json in UTF-8, uncompressed.", status=415)


async def read_body(request: Request, *, limit: int, seconds: float) -> bytes:
    """Return the body. Raises Refused: 413 when it has more bytes than `limit`, 408 when it takes longer."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(seconds):
            return await _collect(request, limit)
    except TimeoutError:
        raise Refused(
            "The request took too long to arrive.", status=408, headers={"Connection": "close"}
        ) from None
    except ClientDisconnect:
        raise Refused("The request was broken off.", status=400) from None


async def _collect(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def _too_large(limit: int) -> Refused:
    return Refused(f"The request is larger than {limit} bytes.", status=413, headers=CLOSE)
