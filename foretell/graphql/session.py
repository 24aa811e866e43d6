"""Who asks, over which transport: what an operation's context is made from."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from uuid_utils import uuid4

from engine.values import Viewer
from schema.extensions import OperationContext

Transport = Literal["http", "sse", "websocket"]


@dataclass(frozen=True, slots=True)
class Session:
    """One request, or one operation of a socket."""

    viewer: Viewer | None
    request_id: str
    address: str
    """The client's address as the server sees it, "" when there is none (a Unix socket)."""
    transport: Transport
    response_headers: dict[str, str] = field(default_factory=dict)
    """What resolvers add to the answer; read over HTTP only."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set, at the latest for who waits for it, when the client does not wait any more.

    A mutation goes on all the same.
    """

    def operation(self) -> Session:
        """Return the session of one of a socket's operations, which is left by itself."""
        return Session(self.viewer, request_id(None), self.address, self.transport)

    @property
    def holder(self) -> str:
        """Whom connections are counted for: a key, or a user; "" for nobody."""
        return self.viewer.holder if self.viewer else ""


class Context(OperationContext, Protocol):
    """What the transport needs of the application's context, beyond what the schema reads."""

    def renew_loaders(self) -> None:
        """Forget what was loaded; called when an operation or an event of a subscription was executed."""


Authenticate = Callable[[Mapping[str, str], str], Awaitable[Viewer | None]]
"""Reads a credential from headers (names in lower case) that came from an address: None when there is none.

It raises UnauthenticatedError for one that is wrong, TooManyAttemptsError when too many were.
"""

MakeContext = Callable[[Session], Context]
"""Makes the context of one operation."""

Revocation = Callable[[Viewer], AbstractContextManager[asyncio.Event]]
"""Lends the event that is set when the caller's credential is revoked."""

_REQUEST_ID = re.compile(r"[!-~]{1,128}")


def request_id(given: str | None) -> str:
    """Return the caller's request id when it is sane (1 to 128 visible ASCII characters), else a new one."""
    return given if given and _REQUEST_ID.fullmatch(given) else uuid4().hex
