"""Loading versions, and what becomes of those whose server is not there."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from db.session import Database
from engine import serving as serving_module
from engine.catalog import Catalog, CatalogVersion
from engine.definitions import BackendDefinition, ModelDefinition, VersionDefinition
from engine.errors import ModelNotReadyError
from engine.registry import Registry
from engine.serving import Serving
from engine.values import ModelRef, ModelTask
from tests.servers.openai_compatible import ModelServer


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def registered(database: Database, url: str) -> Catalog:
    backend = BackendDefinition.model_validate({"kind": "OPENAI", "base_url": url, "model": "story"})
    version = VersionDefinition(version="1", backend=backend)
    model = ModelDefinition(
        name="story", display_name="A story", task=ModelTask.TEXT_GENERATION, versions=[version]
    )
    await Registry(database).apply([model])
    catalog = Catalog(database)
    await catalog.refresh()
    return catalog


def only_version(catalog: Catalog) -> CatalogVersion:
    return catalog.version(catalog.model("", ModelRef(name="story")), None)


async def test_a_version_whose_server_comes_later_is_loaded_then(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_module, "TRY_AGAIN_SECONDS", 0.05)
    port = free_port()
    catalog = await registered(database, f"http://127.0.0.1:{port}/v1")
    serving = Serving(database, catalog, ThreadPoolExecutor(1))
    await serving.load_all()
    with pytest.raises(ModelNotReadyError) as refused:
        serving.get(only_version(catalog))
    assert refused.value.retryable
    assert only_version(catalog).row.status == "LOADING"
    assert only_version(catalog).row.status_reason

    trying = asyncio.create_task(serving.run())
    async with ModelServer().serving(port), asyncio.timeout(10):
        while only_version(catalog).row.status != "READY":  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.02)
        served = serving.get(only_version(catalog))
    trying.cancel()

    assert served.version.row.id == only_version(catalog).row.id
    assert only_version(catalog).row.status_reason is None
    await serving.close()
