"""Estimates: how much a prediction may come to, told before it runs."""

from __future__ import annotations

from engine.backends.base import VersionSpec
from engine.backends.counting import BYTES_PER_TOKEN
from engine.text import TextRequest
from engine.values import ModelTask, PredictionData


def expected_tokens(spec: VersionSpec, data: PredictionData) -> int:
    """Returns the tokens to reserve: about those of the prompt, and as many as may be written.

    A task without text has none.
    """
    given, written = texts(spec, data)
    return sum(-(-len(text.encode()) // BYTES_PER_TOKEN) for text in given) + written


def texts(spec: VersionSpec, data: PredictionData) -> tuple[list[str], int]:
    """Returns the texts that a model reads, and how many tokens it may write."""
    match spec.task:
        case ModelTask.TEXT_GENERATION:
            request = TextRequest.of(data.value, spec)
            return [request.flat], request.max_tokens
        case ModelTask.EMBEDDING:
            return list(data.value["texts"]), 0
        case _:
            return [], 0
