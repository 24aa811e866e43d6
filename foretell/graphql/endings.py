"""What ends a connection from our side: a shutdown, a revoked credential, or one that expires."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from engine.values import Viewer
from foretell.graphql.session import Revocation


class Ending(Enum):
    """Why a connection ends; the value is for people."""

    SHUTDOWN = "The server is restarting."
    REVOKED = "The credential was revoked."
    EXPIRED = "The credential has expired."


@dataclass(frozen=True, slots=True)
class Endings:
    """Knows the events that end connections."""

    shutdown: asyncio.Event
    revocation: Revocation | None = None

    async def wait(self, viewer: Viewer | None) -> Ending:
        """Return once the caller's connections have to end."""
        with self.revocation(viewer) if self.revocation and viewer else nullcontext() as revoked:
            waits = {asyncio.create_task(self.shutdown.wait()): Ending.SHUTDOWN}
            if revoked:
                waits[asyncio.create_task(revoked.wait())] = Ending.REVOKED
            try:
                done, _ = await asyncio.wait(
                    waits, timeout=seconds_left(viewer), return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                for task in waits:
                    task.cancel()
        return next((waits[task] for task in done), Ending.EXPIRED)


def seconds_left(viewer: Viewer | None) -> float | None:
    """Return how long the caller's credential is good; None: for ever."""
    if viewer is None or viewer.expires_at is None:
        return None
    return max((viewer.expires_at - datetime.now(UTC)).total_seconds(), 0.0)
