"""Revocations: tells connections that are open that their credential works no more.

A topic of the bus tells that some credential has changed; then, and once in a lease in any case, two
statements ask which of those that hold connections open here still work. So a lost message costs a lease.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from db.errors import DatabaseError
from db.queries import keys, users
from db.session import Database
from db.types import now
from engine.bus.base import Bus
from engine.keys import CREDENTIALS
from engine.values import Viewer

log = logging.getLogger(__name__)

AT_ONCE = 500


@dataclass(slots=True)
class _Held:
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    holders: int = 0


class Revocations:
    """Watches the credentials of open connections."""

    def __init__(self, database: Database, bus: Bus, *, lease_seconds: float) -> None:
        self._database = database
        self._bus = bus
        self._lease_seconds = lease_seconds
        self._held: dict[str, _Held] = {}

    @contextmanager
    def watching(self, viewer: Viewer) -> Iterator[asyncio.Event]:
        """Lends the event that is set when the viewer's credential works no more."""
        held = self._held.setdefault(viewer.credential, _Held())
        held.holders += 1
        try:
            yield held.ended
        finally:
            held.holders -= 1
            if not held.holders and self._held.get(viewer.credential) is held:
                del self._held[viewer.credential]

    async def run(self) -> None:
        """Looks whenever something was revoked, and once in a lease; never ends."""
        with self._bus.watch(CREDENTIALS) as news:
            while True:
                await news.next(self._lease_seconds)
                try:
                    await self.look()
                except DatabaseError as error:
                    log.warning("nobody knows which credentials still work: %s", error)
                    await asyncio.sleep(1)

    async def look(self) -> None:
        """Ends what no longer works."""
        credentials = [each for each in self._held if each]
        for start in range(0, len(credentials), AT_ONCE):
            await self._look_at(credentials[start : start + AT_ONCE])

    async def _look_at(self, credentials: Sequence[str]) -> None:
        async with self._database.read() as connection:
            live = set(await keys.live_prefixes(connection, credentials, now()))
            live.update(await users.live_sessions(connection, credentials, now()))
        for credential in credentials:
            held = None if credential in live else self._held.pop(credential, None)
            if held is not None:
                held.ended.set()
