"""Reading a request's body: of the right type, not too long, not too slow."""

from __future__ import annotations

import asyncio
from functools import lru_cache

from starlette.types import Message

from foretell.graphql.begun import Begun
from foretell.graphql.incoming import Incoming
from foretell.graphql.requests import Refused

CLOSE = {"Connection": "close"}
"""The rest of such a body is not read."""


def require_json(request: Incoming) -> None:
    """Return when the body is said to be JSON in UTF-8.

    The type is compared exactly: application/json-patch+json is another one, and a form or text/plain, which
    a page of another origin may send without asking, is refused. Raises Refused (415).
    """
    headers = request.headers
    if not _is_json(headers.get("content-type", ""), headers.get("content-encoding", "identity")):
        raise Refused("Send the request as application/json in UTF-8, uncompressed.", status=415)


@lru_cache(maxsize=64)  # clients are few, and each sends the same headers every time
def _is_json(content_type: str, encoding: str) -> bool:
    media_type, _, parameters = content_type.partition(";")
    charset = parameters.lower().replace(" ", "").replace('"', "").partition("charset=")[2].split(";")[0]
    is_plain = encoding.strip().lower() == "identity"
    return media_type.strip().lower() == "application/json" and charset in ("", "utf-8", "utf8") and is_plain


async def read_body(request: Incoming, *, limit: int, seconds: float) -> bytes:
    """Return the body. Raises Refused: 413 when it has more bytes than `limit`, 408 when it takes longer."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    body = bytearray()
    first = Begun(request.receive())
    if first.is_done and not _take(await first, body, limit):  # it came whole, as nearly all do: no timer
        return bytes(body)
    try:
        async with asyncio.timeout(seconds):
            more = first.is_done or _take(await first, body, limit)
            while more:
                more = _take(await request.receive(), body, limit)
    except TimeoutError:
        raise Refused(
            "The request took too long to arrive.", status=408, headers={"Connection": "close"}
        ) from None
    return bytes(body)


def _take(message: Message, body: bytearray, limit: int) -> bool:
    """Add what a message holds to the body, and return whether there is more to come."""
    if message["type"] == "http.disconnect":
        raise Refused("The request was broken off.", status=400)
    body += message.get("body", b"")
    if len(body) > limit:
        raise _too_large(limit)
    return bool(message.get("more_body", False))


def _too_large(limit: int) -> Refused:
    return Refused(f"The request is larger than {limit} bytes.", status=413, headers=CLOSE)
