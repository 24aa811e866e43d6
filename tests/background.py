"""Work that goes on beside a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs work for as long as the context lasts."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        while not task.done():  # redis-py loses a cancellation that comes just as an answer does
            task.cancel()
            await asyncio.wait([task], timeout=0.1)


async def until(condition: Callable[[], bool]) -> None:
    """Waits until something is so."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.01)
