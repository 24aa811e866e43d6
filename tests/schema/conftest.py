from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from db.session import Database
from tests.schema.graph import Caller, Graph, opened_graph
from tests.schema.registering import KEY
from tests.servers.openai_compatible import served_elsewhere


@pytest.fixture
async def graph(database: Database, sqlite_url: str) -> AsyncIterator[Graph]:
    """The application on SQLite, without models."""
    async with opened_graph(database, sqlite_url) as graph:
        yield graph


@pytest.fixture
async def any_graph(any_database: Database) -> AsyncIterator[Graph]:
    """The test runs twice: on SQLite, and on PostgreSQL."""
    url = any_database.url.render_as_string(hide_password=False)
    async with opened_graph(any_database, url) as graph:
        yield graph


@pytest.fixture
async def caller(graph: Graph) -> Caller:
    """A key of a project that may do everything, on SQLite."""
    return await graph.caller()


@pytest.fixture
async def serving(any_database: Database, tmp_path: Path) -> AsyncIterator[Graph]:
    """The application with the embedded models and workers, on SQLite and on PostgreSQL."""
    url = any_database.url.render_as_string(hide_password=False)
    async with opened_graph(
        any_database, url, embedded_models=True, data_directory=tmp_path / "data"
    ) as graph:
        yield graph


@pytest.fixture
async def idle(database: Database, sqlite_url: str, tmp_path: Path) -> AsyncIterator[Graph]:
    """The application on SQLite, without workers: what is submitted waits."""
    settings = {"embedded_models": True, "data_directory": tmp_path / "data", "worker_slots": 0}
    async with opened_graph(database, sqlite_url, **settings) as graph:
        yield graph


@pytest.fixture(scope="session")
def server() -> Any:
    """The base URL of a server that speaks OpenAI's API, and that the operator allows."""
    with served_elsewhere() as url:
        yield url


@pytest.fixture
async def open_graph(
    any_database: Database, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Graph]:
    """The application, with one server allowed, and two versions a project."""
    monkeypatch.setenv(KEY, "sk-of-the-operator")
    url = any_database.url.render_as_string(hide_password=False)
    settings = {"model_servers": [f"{server}={KEY}"], "project_max_versions": 2, "data_directory": tmp_path}
    async with opened_graph(any_database, url, **settings) as graph:
        yield graph
