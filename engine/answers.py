"""Answers: finds the outcome of a run, once for all who ask the same at the same time, and keeps it.

What another version answered in the place of the one that was asked is nobody else's answer.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from engine.cache.base import Cache, CachedAnswer, cache_key
from engine.outcome import Outcome
from engine.routing.router import Router, Tries
from engine.routing.routes import Route
from engine.serving import Served
from engine.text_stream import TextStream
from engine.values import (
    CacheMode,
    ExplanationMethod,
    PredictionData,
    PredictionStatus,
    PredictRequest,
    Usage,
    UsageSource,
)

WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Question:
    """What a run asks; `key` is None where no cache may be touched."""

    served: Served
    route: Route
    data: PredictionData
    method: ExplanationMethod | None
    key: str | None = None
    reads: bool = False


def question(project_id: str, request: PredictRequest, served: Served, route: Route) -> Question:
    """Returns what a request asks, with its place in the cache."""
    if request.cache is CacheMode.BYPASS:
        return Question(served, route, request.data, request.explain)
    key = cache_key(project_id, served.version.row.id, request.data, request.explain)
    reads = request.cache is CacheMode.USE
    return Question(served, route, request.data, request.explain, key, reads=reads)


class Answers:
    """Asks along routes, and the cache before that."""

    def __init__(self, cache: Cache, router: Router) -> None:
        self._cache = cache
        self._router = router

    async def known(self, asked: Question) -> CachedAnswer | None:
        """Returns the answer if it is known already."""
        return await self._cache.get(asked.key) if asked.key is not None and asked.reads else None

    async def find(self, asked: Question, tries: Tries, stream: TextStream | None) -> Outcome:
        """Finds the outcome: from a version of the route, or from whoever asks it the same just now.

        Failures and cut texts are found out by each for itself, and never kept.
        """
        if asked.key is None:
            return await self._router.answer(tries, asked.data, asked.method, stream)
        if asked.reads and (answer := await self._from_others(asked.key)) is not None:
            return replayed(answer, stream)
        try:
            outcome = await self._router.answer(tries, asked.data, asked.method, stream)
        except asyncio.CancelledError:
            await asyncio.shield(self._cache.give_up(asked.key))
            raise
        if outcome.status is PredictionStatus.SUCCEEDED and tries.served is asked.served:
            await self._cache.put(asked.key, _answer(outcome))
        else:
            await self._cache.give_up(asked.key)
        return outcome

    async def was_late(self, tries: Tries) -> None:
        """Takes notice that no answer came before the deadline."""
        await self._router.was_late(tries)

    async def _from_others(self, key: str) -> CachedAnswer | None:
        """Returns what somebody else finds out, or has found out just now; None: it is for us to do."""
        if not await self._cache.lead(key):
            return await self._cache.wait(key, WAIT_SECONDS)
        answer = await self._cache.get(key)  # it may have come since `known` looked
        if answer is not None:
            await self._cache.give_up(key)
        return answer


def replayed(answer: CachedAnswer, stream: TextStream | None = None) -> Outcome:
    """Returns a known answer as an outcome that cost nothing; a text is told in one piece."""
    outcome = Outcome(PredictionStatus.SUCCEEDED, cached=True)
    outcome.output, outcome.explanation = dict(answer["output"]), answer["explanation"]
    usage: dict[str, Any] = answer["usage"]
    outcome.usage = Usage(**{**usage, "source": UsageSource(usage["source"])})
    outcome.inference_ms = 0.0
    if stream is not None:
        stream.say(outcome.output["text"])
        outcome.output["lastSequence"] = stream.last_sequence
        outcome.first_token = stream.first_at
    return outcome


def _answer(outcome: Outcome) -> CachedAnswer:
    assert outcome.usage is not None
    usage = outcome.usage
    return {
        "output": outcome.output,
        "explanation": outcome.explanation,
        "usage": {
            "source": str(usage.source),
            "records": usage.records,
            "input_tokens": usage.input_tokens,
            "cached_input_tokens": usage.cached_input_tokens,
            "output_tokens": usage.output_tokens,
        },
    }
