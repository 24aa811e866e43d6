"""How fast the embedded text model writes, on one core: `python -m benchmarks.generation`.

Against a floor in the same rounds: the bare loop of ONNX Runtime that takes the likeliest token, without
sampling, stop texts, detokenisation, threads or an event loop. Rounds alternate; medians are printed.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from engine.backends.base import Result, Token, VersionSpec
from engine.backends.generation import GenerationBackend
from engine.backends.transformer import TextModel
from engine.definitions import read_definitions
from engine.registry import version_columns
from engine.values import PredictionData
from foretell.lifespan import EMBEDDED

PROMPT = "It is a truth universally acknowledged, that"
TOKENS = 400
ROUNDS = 5
TOGETHER = 8


def storyteller() -> VersionSpec:
    definition = next(model for model in read_definitions(EMBEDDED) if model.name == "storyteller")
    version = definition.versions[-1]
    config = version_columns(version)["config"]
    return VersionSpec(id="storyteller", name="storyteller", task=definition.task, config=config)


def bare_rate(model: TextModel) -> float:
    """Tokens per second of nothing but the model."""
    unread, past = model.begin(PROMPT), model.empty_past()
    started = time.perf_counter()
    for _ in range(TOKENS):
        logits, past = model.read(unread, past)
        unread = [int(logits.argmax())]
    return TOKENS / (time.perf_counter() - started)


async def written(backend: GenerationBackend, seed: int) -> tuple[int, float]:
    """Tokens of one text, and the seconds until its first piece came."""
    parameters = {"maxTokens": TOKENS, "seed": seed}
    started, first = time.perf_counter(), None
    async for event in backend.predict(PredictionData("text", {"prompt": PROMPT, "parameters": parameters})):
        if isinstance(event, Token) and first is None:
            first = time.perf_counter() - started
        if isinstance(event, Result):
            return event.usage.output_tokens or 0, first or 0.0
    raise AssertionError


async def rate(backend: GenerationBackend, texts: int) -> tuple[float, float]:
    """Tokens per second of so many texts together, and the slowest first piece in seconds."""
    started = time.perf_counter()
    answers = await asyncio.gather(*(written(backend, seed) for seed in range(texts)))
    seconds = time.perf_counter() - started
    return sum(tokens for tokens, _ in answers) / seconds, max(first for _, first in answers)


@asynccontextmanager
async def opened() -> AsyncIterator[GenerationBackend]:
    with ThreadPoolExecutor(1) as executor:
        backend = GenerationBackend(storyteller(), executor)
        await backend.load()
        yield backend
        await backend.close()


async def main() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    bare, alone, together = [], [], []
    async with opened() as backend:
        model = TextModel.open(storyteller().config)
        for _ in range(ROUNDS):
            bare.append(bare_rate(model))
            alone.append(await rate(backend, 1))
            together.append(await rate(backend, TOGETHER))
    print(f"{'':24}{'tokens/s':>10}{'first token':>14}")
    print(f"{'ONNX Runtime, bare':24}{statistics.median(bare):>10.0f}")
    for name, rates in (("one text", alone), (f"{TOGETHER} texts together", together)):
        tokens, first = (statistics.median(values) for values in zip(*rates, strict=True))
        print(f"{name:24}{tokens:>10.0f}{first * 1000:>11.1f} ms")


if __name__ == "__main__":
    asyncio.run(main())
