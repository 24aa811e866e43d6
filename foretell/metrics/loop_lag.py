"""How late the event loop is: what every request waits for, and what blocks it shows here first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from prometheus_client import Histogram

EVERY_SECONDS = 0.25


@asynccontextmanager
async def measuring(lag: Histogram) -> AsyncIterator[None]:
    """Observes four times a second, while the context lasts, by how much a timer came too late."""
    task = asyncio.create_task(_measure(lag), name="event loop lag")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _measure(lag: Histogram) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        due = clock() + EVERY_SECONDS
        await asyncio.sleep(EVERY_SECONDS)
        lag.observe(max(0.0, clock() - due))
