"""Persisted documents by the settings: manifests, the trusted-only mode, and a manifest that is wrong."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from asgi_lifespan import LifespanManager

from foretell.app import create_app
from foretell.configuration import SettingsError
from foretell.lifespan import first_secret
from foretell.settings import DocumentSettings, Settings

VIEWER = "query Viewer { viewer { displayName } }"


@asynccontextmanager
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings)
    async with LifespanManager(app, startup_timeout=60):
        headers = {"X-API-Key": await first_secret(app.state.services.database) or ""}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", headers=headers
        ) as client:
            yield client


def settings(url: str, **document: object) -> Settings:
    return Settings(
        database_url=url, embedded_models=False, document=DocumentSettings.model_validate(document)
    )


async def test_only_the_documents_of_a_manifest_run_where_they_have_to_be_trusted(
    sqlite_url: str, tmp_path: Path
) -> None:
    manifest = tmp_path / "persisted.json"
    manifest.write_text(json.dumps({"viewer": VIEWER}))

    async with client(settings(sqlite_url, manifests=[manifest], trusted_only=True)) as ours:
        by_id = await ours.post("/graphql", json={"documentId": "viewer"})
        by_text = await ours.post("/graphql", json={"query": VIEWER})
        other = await ours.post("/graphql", json={"query": "{ viewer { id } }"})

    assert by_id.json()["data"] == by_text.json()["data"] == {"viewer": {"displayName": "admin"}}
    assert other.status_code == 403


async def test_a_manifest_that_can_not_be_read_stops_the_start_by_name(sqlite_url: str) -> None:
    with pytest.raises(SettingsError, match=r"document\.manifests: missing\.json"):
        create_app(settings(sqlite_url, manifests=["missing.json"]))
