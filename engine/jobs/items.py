"""Items: running those of a chunk, together where the backend takes many, else beside one another."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import cast

from db.types import now
from engine.backends.base import ManyBackend, Result, Token
from engine.bus.memory import MemoryBus
from engine.errors import InternalError, ProcessingError, RateLimitedError
from engine.jobs.chunk import Answers, Chunk, Running, jitter, outcome_of
from engine.limits.estimates import expected_tokens
from engine.limits.service import Limits
from engine.model_calls import model_call
from engine.outcome import Outcome, generates
from engine.routing.router import THROTTLED_SECONDS, Router, Tries, may_be_better_elsewhere
from engine.text_stream import TextStream
from engine.values import ExplanationMethod

log = logging.getLogger(__name__)


async def run_items(chunk: Chunk, items: Sequence[Running], router: Router, limits: Limits) -> None:
    """Runs items and tells the chunk how each ended; cancelled, it leaves those that have not.

    One that fails does not touch its neighbours.
    """
    backend = chunk.served.backend
    together = isinstance(backend, ManyBackend) and chunk.job.explain is None
    if together and await router.circuits.enter(chunk.served.version.row.id):
        await _run_together(chunk, cast(ManyBackend, backend), items, router, limits)
    else:
        await _run_each(chunk, [(running, None) for running in items], router, limits)


async def _run_together(
    chunk: Chunk, backend: ManyBackend, items: Sequence[Running], router: Router, limits: Limits
) -> None:
    try:
        async with router.gates.call(chunk.served, for_job=True):
            await router.gates.callers.go_first()
            started = time.perf_counter()
            results = await _predict_many(chunk, backend, items)
    except asyncio.CancelledError:
        await asyncio.shield(router.circuits.left(chunk.served.version.row.id))
        raise
    whole = next((result for result in results if isinstance(result, Result)), results[0])
    await router.note(chunk.served, outcome_of(whole, started))
    answers = Answers(items, results, started, now())
    if not chunk.route.others:
        chunk.answers.append(answers)
        return
    again = []
    for running, outcome in answers.outcomes():
        if may_be_better_elsewhere(outcome):
            again.append((running, outcome))
        else:
            chunk.end(running, outcome, answers.ended_at, jitter())
    await _run_each(chunk, again, router, limits)


async def _predict_many(
    chunk: Chunk, backend: ManyBackend, items: Sequence[Running]
) -> Sequence[Result | ProcessingError]:
    try:
        with model_call(chunk.served, items=len(items)):
            return await backend.predict_many([running.item.data for running in items])
    except Exception:
        log.exception("a backend of %s raised what it should not", chunk.served.version.spec.name)
        return [InternalError() for _ in items]


async def _run_each(
    chunk: Chunk, items: Sequence[tuple[Running, Outcome | None]], router: Router, limits: Limits
) -> None:
    """Runs items beside one another; those that failed before are asked of the other versions only."""
    async with asyncio.TaskGroup() as group:
        for running, outcome in items:
            group.create_task(_run_alone(chunk, running, router, limits, outcome))


async def _run_alone(
    chunk: Chunk, running: Running, router: Router, limits: Limits, failed: Outcome | None
) -> None:
    """Runs an item; where its project may not use as many tokens now, the job waits until it may."""
    tokens = expected_tokens(chunk.served.version.spec, running.item.data)
    try:
        reservation = await limits.reserve_for_item(chunk.job, running.id, tokens=tokens)
    except RateLimitedError as error:
        chunk.wait(error.retry_after_seconds or THROTTLED_SECONDS)
        return
    used = 0
    try:
        outcome = await _routed(chunk, running, router, failed)
        used = 0 if outcome.usage is None else outcome.usage.tokens
        chunk.end(running, outcome, now(), jitter())
    finally:
        await limits.settle(reservation, used)


async def _routed(chunk: Chunk, running: Running, router: Router, failed: Outcome | None) -> Outcome:
    method = ExplanationMethod(chunk.job.explain) if chunk.job.explain else None
    task = chunk.served.version.spec.task
    stream = TextStream(Unheard(), running.id) if generates(task) else None
    tries = Tries(chunk.route, chunk.served, calls=0 if failed is None else 1, in_background=True)
    outcome = await router.answer(tries, running.item.data, method, stream, failed=failed)
    running.served = tries.served
    running.others += max(0, tries.calls - 1)
    return outcome


class Unheard(MemoryBus):
    """A bus for the text of items, whose ids nobody knows before they have ended."""

    def append(self, stream: str, tokens: Sequence[Token]) -> int:
        """Counts the pieces."""
        self._pieces = getattr(self, "_pieces", 0) + 1
        return self._pieces
