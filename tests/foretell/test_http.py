import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from asgi_lifespan import LifespanManager
from fastapi import FastAPI
from sqlalchemy import text

from db.queries import models as queries
from db.session import Database
from db.tables import ModelRow, ModelVersionRow
from engine.values import ServingStatus
from foretell.app import create_app
from foretell.settings import Settings
from resolvers.context import Services


@pytest.fixture
def app(sqlite_url: str, tmp_path: Path) -> FastAPI:
    settings = Settings(database_url=sqlite_url, embedded_models=False, data_directory=tmp_path / "data")
    return create_app(settings)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        LifespanManager(app, startup_timeout=60),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client,
    ):
        yield client


def test_making_the_application_opens_nothing(tmp_path: Path) -> None:
    settings = Settings(
        database_url=f"sqlite+aiosqlite:///{tmp_path / 'foretell.db'}", data_directory=tmp_path / "data"
    )

    create_app(settings)

    assert list(tmp_path.iterdir()) == []


async def test_health_answers_while_the_process_lives(client: httpx.AsyncClient) -> None:
    response = await client.get("/health")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_ready_answers_once_everything_is_there(client: httpx.AsyncClient) -> None:
    response = await client.get("/ready")

    assert response.status_code == 200
    assert response.json()["status"] == "ready"
    assert set(response.json()["checks"].values()) == {"ok"}


async def test_ready_names_versions_that_are_left_alone_and_stays_ready(
    client: httpx.AsyncClient, app: FastAPI
) -> None:
    services: Services = app.state.services
    row = ModelRow(name="m", display_name="m", task="TENSOR")
    version = ModelVersionRow(model_id=row.id, version="1", backend="ONNX", status="READY")
    async with services.database.write() as connection:
        await queries.add_model(connection, row)
        await queries.add_version(connection, version)
    await services.catalog.refresh()
    for _ in range(5):
        await services.router.circuits.failed(version.id)

    response = await client.get("/ready")

    assert (response.status_code, response.json()["status"]) == (200, "ready")
    assert response.json()["checks"]["circuits"] == "open: m/1"


async def test_ready_says_when_the_database_is_behind(
    client: httpx.AsyncClient, app: FastAPI, sqlite_url: str
) -> None:
    other = Database(sqlite_url)
    async with other.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0001_first'"))
    await other.close()

    response = await client.get("/ready")

    assert response.status_code == 503
    assert response.json()["checks"]["database"].startswith("the database is at migration 0001_first")


async def test_ready_names_the_models_that_are_still_loading(sqlite_url: str, tmp_path: Path) -> None:
    app = create_app(Settings(database_url=sqlite_url, data_directory=tmp_path / "data"))
    async with (
        LifespanManager(app, startup_timeout=60),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client,
    ):
        services: Services = app.state.services
        digits = next(each for each in services.catalog.versions() if each.spec.name == "digits/1")
        async with services.database.write() as connection:
            await queries.change_version(connection, digits.row.id, status=ServingStatus.LOADING)
        await services.catalog.refresh()

        response = await client.get("/ready")

    assert response.status_code == 503
    assert response.json()["checks"]["models"] == "loading: digits/1"


async def test_ready_is_off_first_when_the_process_is_told_to_end(
    client: httpx.AsyncClient, app: FastAPI
) -> None:
    app.state.shutdown.set()

    response = await client.get("/ready")

    assert response.status_code == 503
    assert response.json()["checks"]["shutdown"] == "the process is stopping"
    assert (await client.get("/health")).status_code == 200


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/redoc", "/nothing"])
async def test_nothing_else_is_served(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_a_start_without_a_database_fails_and_leaves_nothing_open(tmp_path: Path) -> None:
    app = create_app(Settings(database_url=f"sqlite+aiosqlite:///{tmp_path}/no/folder/foretell.db"))
    tasks = len(asyncio.all_tasks())

    with pytest.raises(Exception, match="unable to open database file"):
        async with LifespanManager(app, startup_timeout=60):
            pass

    assert len(asyncio.all_tasks()) == tasks
