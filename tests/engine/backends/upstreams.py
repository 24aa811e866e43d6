"""Opens the backend for servers that speak OpenAI's API, and reads what it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from typing import Any

from engine.backends.base import Backend, Event, Result, Token, VersionSpec
from engine.backends.registry import BACKENDS
from engine.values import BackendKind, ModelTask, PredictionData


def openai_spec(
    url: str, model: str = "story", task: ModelTask = ModelTask.TEXT_GENERATION, **config: Any
) -> VersionSpec:
    """Returns the spec of a model behind a server."""
    config = {"baseUrl": url, "model": model, **config}
    return VersionSpec(id="story", name="story/1", task=task, config=config)


@asynccontextmanager
async def opened_openai(spec: VersionSpec) -> AsyncIterator[Backend]:
    """Yields the backend of a model behind a server, loaded."""
    with ThreadPoolExecutor(1, "inference") as executor:
        backend = BACKENDS[BackendKind.OPENAI](spec, executor)
        await backend.load()
        try:
            yield backend
        finally:
            await backend.close()


async def events_of(backend: Backend, data: PredictionData) -> list[Event]:
    """Returns every event of a prediction."""
    async with aclosing(backend.predict(data)) as events:  # type: ignore[type-var]
        return [event async for event in events]


async def answer_of(backend: Backend, data: PredictionData) -> tuple[str, Result]:
    """Returns the text of a prediction, and its result."""
    *tokens, result = await events_of(backend, data)
    assert isinstance(result, Result)
    return "".join(token.text for token in tokens if isinstance(token, Token)), result


async def asked(spec: VersionSpec, data: PredictionData) -> tuple[str, Result]:
    """Returns the answer of a model that is loaded for this one prediction."""
    async with opened_openai(spec) as backend:
        return await answer_of(backend, data)
