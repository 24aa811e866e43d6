"""What ends a connection from our side: a shutdown, a revoked credential, or one that expires."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum
from functools import partial

from engine.values import Viewer
from foretell.graphql.session import Revocation


class Ending(Enum):
    """Why a connection ends; the value is for people."""

    SHUTDOWN = "The server is restarting."
    REVOKED = "The credential was revoked."
    EXPIRED = "The credential has expired."


Tell = Callable[[Ending], None]


class Endings:
    """Knows the events that end connections, and waits for each of them once, however many are open."""

    def __init__(self, shutdown: asyncio.Event, revocation: Revocation | None = None) -> None:
        self._shutdown = shutdown
        self._revocation = revocation
        self._heard: dict[asyncio.Event, _Heard] = {}

    @contextmanager
    def telling(self, viewer: Viewer | None, tell: Tell) -> Iterator[None]:
        """Call `tell` as soon as the caller's connections have to end, if the context lasts until then."""
        with self._telling(self._shutdown, partial(tell, Ending.SHUTDOWN)), self._revoking(viewer, tell):
            left = seconds_left(viewer)
            if left is None:
                yield
                return
            expiry = asyncio.get_running_loop().call_later(left, tell, Ending.EXPIRED)
            try:
                yield
            finally:
                expiry.cancel()

    @contextmanager
    def _revoking(self, viewer: Viewer | None, tell: Tell) -> Iterator[None]:
        if self._revocation is None or viewer is None:
            yield
            return
        with self._revocation(viewer) as revoked, self._telling(revoked, partial(tell, Ending.REVOKED)):
            yield

    @contextmanager
    def _telling(self, event: asyncio.Event, tell: Callable[[], None]) -> Iterator[None]:
        heard = self._heard.get(event)
        if heard is None:
            heard = self._heard[event] = _Heard(event)
        heard.listeners.add(tell)
        if event.is_set():
            asyncio.get_running_loop().call_soon(heard.tell)
        try:
            yield
        finally:
            heard.listeners.discard(tell)
            if not heard.listeners and self._heard.get(event) is heard:
                del self._heard[event]
                heard.task.cancel()


class _Heard:
    """One event, and those who want to hear of it."""

    def __init__(self, event: asyncio.Event) -> None:
        self.listeners: set[Callable[[], None]] = set()
        self.task = asyncio.create_task(self._wait(event))

    async def _wait(self, event: asyncio.Event) -> None:
        await event.wait()
        self.tell()

    def tell(self) -> None:
        """Tell all, once each."""
        listeners, self.listeners = self.listeners, set()
        for tell in listeners:
            tell()


def seconds_left(viewer: Viewer | None) -> float | None:
    """Return how long the caller's credential is good; None: for ever."""
    if viewer is None or viewer.expires_at is None:
        return None
    return max((viewer.expires_at - datetime.now(UTC)).total_seconds(), 0.0)
