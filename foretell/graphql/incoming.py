"""Incoming: a request over HTTP as the transport reads it, its headers and its URL once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from starlette.datastructures import QueryParams
from starlette.types import Receive, Scope

NO_PARAMETERS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Incoming:
    """One request; what its body holds is still to come."""

    method: str
    headers: Mapping[str, str]
    """By their names in lower case; of one that comes twice, the first."""
    parameters: Mapping[str, str]
    """Of the URL."""
    address: str
    """The client's address as the server sees it, "" when there is none (a Unix socket)."""
    receive: Receive

    @classmethod
    def of(cls, scope: Scope, receive: Receive) -> Incoming:
        """Return the request of an ASGI scope."""
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])
        }
        query, client = scope["query_string"], scope["client"]
        return cls(
            scope["method"],
            headers,
            QueryParams(query) if query else NO_PARAMETERS,
            client[0] if client else "",
            receive,
        )


class Departure(asyncio.Event):
    """Set when a client has gone away, which is looked for only while somebody waits for it."""

    def __init__(self, receive: Receive) -> None:
        super().__init__()
        self._receive = receive

    async def wait(self) -> Literal[True]:
        """Return when the client has gone away; what still comes of the body is read and forgotten."""
        while not self.is_set():
            if (await self._receive())["type"] == "http.disconnect":
                self.set()
        return True
