"""Outcome: how one prediction ended, and the run that finds it out, whoever asked for it."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engine.backends.base import drain
from engine.errors import InternalError, ProcessingError
from engine.explanations import explain
from engine.money import cost_of, price_at
from engine.serving import Served
from engine.values import ExplanationMethod, PredictionData, PredictionStatus, Usage

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Outcome:
    """A terminal status with everything that is stored of it. Times are in milliseconds."""

    status: PredictionStatus
    started: float = field(default_factory=time.perf_counter)
    output: dict[str, Any] | None = None
    explanation: dict[str, Any] | None = None
    error: ProcessingError | None = None
    usage: Usage | None = None
    inference_ms: float | None = None

    def columns(self, served: Served, accepted: float, finished_at: datetime) -> dict[str, Any]:
        """Returns the columns of the prediction's row that this outcome fills.

        `accepted` is the `time.perf_counter` at which the prediction was accepted.
        """
        columns: dict[str, Any] = {
            "status": self.status,
            "finished_at": finished_at,
            "output": self.output,
            "explanation": self.explanation,
            "error": _error_json(self.error),
            "queue_ms": (self.started - accepted) * 1000,
            "inference_ms": self.inference_ms,
            "total_ms": (time.perf_counter() - accepted) * 1000,
        }
        if self.usage is not None:
            cost = cost_of(price_at(served.version.prices, finished_at), self.usage)
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
    served: Served, data: PredictionData, method: ExplanationMethod | None = None
) -> Outcome:
    """Runs a prediction to its end; whatever the backend raises becomes a FAILED outcome."""
    outcome = Outcome(PredictionStatus.SUCCEEDED)
    try:
        result = (await drain(served.backend.predict(data))).result
        outcome.output, outcome.usage = result.output, result.usage
        elapsed = (time.perf_counter() - outcome.started) * 1000
        outcome.inference_ms = result.inference_ms if result.inference_ms is not None else elapsed
        if method is not None:
            records, results = data.value["records"], result.output["results"]
            outcome.explanation = await explain(method, served.backend, served.version.spec, records, results)
    except ProcessingError as error:
        outcome.status, outcome.error, outcome.output = PredictionStatus.FAILED, error, None
    except Exception:
        log.exception("a backend of %s raised what it should not", served.version.spec.name)
        outcome.status, outcome.error, outcome.output = PredictionStatus.FAILED, InternalError(), None
    return outcome


def _error_json(error: ProcessingError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return {
        "code": error.code,
        "message": error.message,
        "retryable": error.retryable,
        "retryAfterSeconds": error.retry_after_seconds,
    }
