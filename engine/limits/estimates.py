"""Estimates: how much a prediction may come to, told before it runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from engine.backends.base import VersionSpec
from engine.backends.counting import BYTES_PER_TOKEN
from engine.catalog import CatalogVersion
from engine.money import Cost, cost_of, price_at
from engine.text import TextRequest
from engine.values import ModelTask, PredictionData, Usage, UsageSource

FRAME_TOKENS = 16
"""What a model server writes around a text or a message before the model reads it, at most."""


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


def most_cost(versions: Sequence[CatalogVersion], data: PredictionData, at: datetime) -> Cost | None:
    """Returns what a prediction may cost at most, by whichever version of these answers it.

    None where the price of one is not known, or they do not have one currency.
    """
    costs = [cost_of(price_at(each.prices, at), most_used(each.spec, data)) for each in versions]
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(costs) or len({cost.currency for cost in known}) != 1:
        return None
    return max(known, key=lambda cost: cost.nanos)


def most_used(spec: VersionSpec, data: PredictionData) -> Usage:
    """Returns the most that a prediction can use: a token is a byte at least, and messages have frames."""
    given, written = texts(spec, data)
    match spec.task:
        case ModelTask.TEXT_GENERATION:
            frames = FRAME_TOKENS * (1 + len(data.value.get("messages") or ()))
            read = len(given[0].encode()) + frames
            return Usage(UsageSource.ESTIMATED, input_tokens=read, output_tokens=written)
        case ModelTask.EMBEDDING:
            read = sum(len(text.encode()) + FRAME_TOKENS for text in given)
            return Usage(UsageSource.ESTIMATED, input_tokens=read)
        case _:
            return Usage(UsageSource.ESTIMATED, records=len(data.value.get("records") or ()))
