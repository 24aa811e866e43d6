"""Outcome: how one prediction ended, and the run that finds it out, whoever asked for it."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engine.backends.base import CUT, Result, Token
from engine.errors import InternalError, ModelError, ProcessingError
from engine.explanations import explain
from engine.model_calls import model_call, note_usage
from engine.money import charge, price_at
from engine.serving import Served
from engine.text_stream import TextStream
from engine.values import ExplanationMethod, FinishReason, ModelTask, PredictionData, PredictionStatus, Usage

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Outcome:
    """A terminal status with everything that is stored of it.

    `started` and `first_token` are readings of `time.perf_counter`.
    """

    status: PredictionStatus
    started: float = field(default_factory=time.perf_counter)
    output: dict[str, Any] | None = None
    explanation: dict[str, Any] | None = None
    error: ProcessingError | None = None
    usage: Usage | None = None
    inference_ms: float | None = None
    first_token: float | None = None
    cached: bool = False

    def columns(self, served: Served, accepted: float, finished_at: datetime) -> dict[str, Any]:
        """Returns the columns of the prediction's row that this outcome fills.

        `accepted` is the `time.perf_counter` at which the prediction was accepted.
        """
        columns: dict[str, Any] = {
            "status": self.status,
            "finished_at": finished_at,
            "output": self.output,
            "explanation": self.explanation,
            "error": error_json(self.error),
            "queue_ms": _ms(self.started - accepted),
            "inference_ms": None if self.inference_ms is None else round(self.inference_ms, 3),
            "total_ms": _ms(time.perf_counter() - accepted),
            "cached": self.cached,
        }
        if self.first_token is not None:
            columns["time_to_first_token_ms"] = _ms(self.first_token - accepted)
        if self.usage is not None:
            cost = charge(price_at(served.version.prices, finished_at), self.usage, cached=self.cached)
            columns |= {
                "usage_source": self.usage.source,
                "records": self.usage.records,
                "input_tokens": self.usage.input_tokens,
                "cached_input_tokens": self.usage.cached_input_tokens,
                "output_tokens": self.usage.output_tokens,
                "cost_nanos": None if cost is None else cost.nanos,
                "currency": None if cost is None else cost.currency,
            }
        return columns


async def find_outcome(
    served: Served,
    data: PredictionData,
    method: ExplanationMethod | None = None,
    stream: TextStream | None = None,
) -> Outcome:
    """Runs a prediction to its end; whatever the backend raises becomes a FAILED outcome.

    Tokens go to `stream`, whose text is the output of a generation. A cancelled run leaves what it
    generated there, for `interrupted`.
    """
    outcome = Outcome(PredictionStatus.SUCCEEDED)
    try:
        with model_call(served, data) as call:
            result = await _follow(served, data, stream)
            note_usage(call, result.usage, result.output.get("finishReason"))
        outcome.output, outcome.usage = _whole(result.output, stream), result.usage
        outcome.inference_ms = result.inference_ms
        if method is not None:
            records, results = data.value["records"], result.output["results"]
            outcome.explanation = await explain(method, served.backend, served.version.spec, records, results)
    except ProcessingError as error:
        _fail(outcome, error, served, data, stream)
    except Exception:
        log.exception("a backend of %s raised what it should not", served.version.spec.name)
        _fail(outcome, InternalError(), served, data, stream)
    if outcome.inference_ms is None:
        outcome.inference_ms = (time.perf_counter() - outcome.started) * 1000
    outcome.first_token = stream.first_at if stream else None
    return outcome


def interrupted(
    status: PredictionStatus,
    error: ProcessingError | None,
    started: float,
    served: Served,
    data: PredictionData,
    stream: TextStream | None,
) -> Outcome:
    """Returns the outcome of a run that was stopped from outside: what it generated stays, and is billed."""
    outcome = Outcome(status, started=started)
    _fail(outcome, error, served, data, stream)
    outcome.status = status
    outcome.inference_ms = (time.perf_counter() - started) * 1000
    outcome.first_token = stream.first_at if stream else None
    return outcome


async def _follow(served: Served, data: PredictionData, stream: TextStream | None) -> Result:
    async with aclosing(served.backend.predict(data)) as events:  # type: ignore[type-var]
        async for event in events:
            if isinstance(event, Result):
                return event
            if stream is not None and isinstance(event, Token):
                stream.add(event)
                if event.is_all and (rest := stream.rest()):
                    await asyncio.sleep(rest)
    raise ModelError(CUT, retryable=True)


def _whole(output: dict[str, Any], stream: TextStream | None) -> dict[str, Any]:
    if stream is None:
        return output
    stream.close()
    return {"text": stream.text, "lastSequence": stream.last_sequence, **output}


def _fail(
    outcome: Outcome,
    error: ProcessingError | None,
    served: Served,
    data: PredictionData,
    stream: TextStream | None,
) -> None:
    """Keeps of a run that did not succeed what it generated, and what that used."""
    outcome.status, outcome.error, outcome.output = PredictionStatus.FAILED, error, None
    if stream is None:
        return
    if stream.first_at is not None:
        outcome.usage = served.backend.usage_of(data, stream.text)
        outcome.output = _whole({"finishReason": FinishReason.CANCELED}, stream)


def generates(task: ModelTask) -> bool:
    """Tells whether a task's output is text that comes piece by piece."""
    return task is ModelTask.TEXT_GENERATION


def error_json(error: ProcessingError | None) -> dict[str, Any] | None:
    """Returns an error as it is stored with a prediction."""
    if error is None:
        return None
    return {
        "code": error.code,
        "message": error.message,
        "retryable": error.retryable,
        "retryAfterSeconds": error.retry_after_seconds,
    }


def _ms(seconds: float) -> float:
    """Returns seconds in milliseconds, to the microsecond."""
    return round(seconds * 1000, 3)
