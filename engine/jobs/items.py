"""Items: running those of a chunk, together where the backend takes many, else beside one another."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Sequence

from engine.backends.base import ManyBackend, Result, Token
from engine.bus.memory import MemoryBus
from engine.errors import InternalError, ProcessingError, ThrottledError
from engine.jobs.chunk import THROTTLED_SECONDS, Chunk, Running
from engine.jobs.shares import Shares
from engine.outcome import Outcome, find_outcome, generates
from engine.text_stream import TextStream
from engine.values import ExplanationMethod, PredictionStatus

log = logging.getLogger(__name__)


async def run_items(chunk: Chunk, items: Sequence[Running], shares: Shares) -> None:
    """Runs items and tells the chunk how each ended; cancelled, it leaves those that have not.

    One that fails does not touch its neighbours.
    """
    if isinstance(chunk.served.backend, ManyBackend) and chunk.job.explain is None:
        await _run_together(chunk, chunk.served.backend, items, shares)
    else:
        async with asyncio.TaskGroup() as group:
            for running in items:
                group.create_task(_run_alone(chunk, running, shares))


async def _run_together(chunk: Chunk, backend: ManyBackend, items: Sequence[Running], shares: Shares) -> None:
    async with shares.call(chunk.served):
        started = time.perf_counter()
        results = await _predict_many(chunk, backend, items)
    for running, result in zip(items, results, strict=True):
        outcome = Outcome(PredictionStatus.SUCCEEDED, started=started)
        if isinstance(result, Result):
            outcome.output, outcome.usage = result.output, result.usage
            outcome.inference_ms = result.inference_ms
        else:
            outcome.status, outcome.error = PredictionStatus.FAILED, result
        chunk.end(running, outcome, _jitter())


async def _predict_many(
    chunk: Chunk, backend: ManyBackend, items: Sequence[Running]
) -> Sequence[Result | ProcessingError]:
    try:
        return await backend.predict_many([running.item.data for running in items])
    except Exception:
        log.exception("a backend of %s raised what it should not", chunk.served.version.spec.name)
        return [InternalError() for _ in items]


async def _run_alone(chunk: Chunk, running: Running, shares: Shares) -> None:
    method = ExplanationMethod(chunk.job.explain) if chunk.job.explain else None
    task = chunk.served.version.spec.task
    stream = TextStream(Unheard(), running.id) if generates(task) else None
    async with shares.call(chunk.served):
        if closed := shares.closed_for(chunk.served):
            chunk.wait(closed)
            return
        outcome = await find_outcome(chunk.served, running.item.data, method, stream)
    if isinstance(outcome.error, ThrottledError):
        shares.close(chunk.served, outcome.error.retry_after_seconds or THROTTLED_SECONDS)
    chunk.end(running, outcome, _jitter())


def _jitter() -> float:
    return random.random()  # noqa: S311 - it spreads load


class Unheard(MemoryBus):
    """A bus for the text of items, whose ids nobody knows before they have ended."""

    def append(self, stream: str, tokens: Sequence[Token]) -> int:
        """Counts the pieces."""
        self._pieces = getattr(self, "_pieces", 0) + 1
        return self._pieces
