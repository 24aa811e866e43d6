"""Opens the backend for servers that speak the Open Inference Protocol, and reads what it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from engine.backends.base import Metadata, Result, VersionSpec, drain
from engine.backends.oip.backend import OpenInferenceBackend
from engine.values import ModelTask, PredictionData
from tests.engine.specs import number_schema
from tests.servers.open_inference import OpenInferenceServer

WAYS: dict[str, dict[str, Any]] = {
    "json": {"binary": False},
    "binary": {"binary": True},
    "grpc": {"protocol": "GRPC"},
}
"""How a server can be asked."""


def spec_for(
    server: OpenInferenceServer,
    model: str,
    task: ModelTask = ModelTask.TABULAR_REGRESSION,
    features: tuple[str, ...] = ("a", "b"),
    **config: Any,
) -> VersionSpec:
    """Returns the spec of a model of the small server."""
    url = server.grpc_url if config.get("protocol") == "GRPC" else server.url
    schema = None if task is ModelTask.TENSOR else number_schema(list(features))
    config = {"url": url, "model": model, **config}
    return VersionSpec(id=model, name=f"{model}/1", task=task, config=config, input_schema=schema)


async def loaded(spec: VersionSpec) -> Metadata:
    """Returns what a backend found out about a model."""
    with ThreadPoolExecutor(1) as executor:
        backend = OpenInferenceBackend(spec, executor)
        try:
            return await backend.load()
        finally:
            await backend.close()


@asynccontextmanager
async def opened(spec: VersionSpec) -> AsyncIterator[OpenInferenceBackend]:
    """Yields the backend of a model, loaded."""
    with ThreadPoolExecutor(1) as executor:
        backend = OpenInferenceBackend(spec, executor)
        await backend.load()
        try:
            yield backend
        finally:
            await backend.close()


async def asked(spec: VersionSpec, data: PredictionData) -> Result:
    """Returns the answer of a model that is loaded for this one prediction."""
    async with opened(spec) as backend:
        return await drain(backend.predict(data))
