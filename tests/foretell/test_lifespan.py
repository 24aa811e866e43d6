import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from db.migrate import current_revision, newest_revision
from db.session import Database
from db.tables.keys import api_keys, projects
from db.tables.models import model_versions, models, prices
from engine.keys import Keys
from engine.values import ServingStatus
from foretell.lifespan import definitions, first_secret, prepare, running
from foretell.settings import Settings
from tests.services import new_postgres_database

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = 2


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def fresh_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a database that nobody has ever opened."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'fresh.db'}"
        return
    context = new_postgres_database()
    url = await asyncio.to_thread(context.__enter__)
    yield url
    await asyncio.to_thread(context.__exit__, None, None, None)


async def start(url: str) -> asyncio.subprocess.Process:
    """Starts a process that waits to be let go."""
    command = [sys.executable, "-m", "tests.foretell.starting", url]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"waiting\n"
    return process


async def let_go(process: asyncio.subprocess.Process) -> Any:
    """Lets a process start, and returns what it prints at its end."""
    output, errors = await asyncio.wait_for(process.communicate(b"\n"), 60)
    assert process.returncode == 0, errors.decode()
    return json.loads(output)


async def count(database: Database, *tables: Any) -> list[int]:
    async with database.read() as connection:
        return [
            int((await connection.execute(select(func.count()).select_from(table))).scalar_one())
            for table in tables
        ]


@pytest.mark.slow
async def test_processes_that_start_at_once_on_a_fresh_database_set_it_up_once(fresh_url: str) -> None:
    processes = await asyncio.gather(*(start(fresh_url) for _ in range(PROCESSES)))

    found = await asyncio.gather(*map(let_go, processes))

    embedded = definitions(Settings())
    versions = [f"{model.name}/{version.version}" for model in embedded for version in model.versions]
    assert [each["statuses"] for each in found] == [dict.fromkeys(versions, "READY")] * PROCESSES
    assert len([each["secret"] for each in found if each["secret"]]) == 1
    database = Database(fresh_url)
    assert await current_revision(database) == newest_revision()
    assert await count(database, models, model_versions, prices) == [
        len(embedded),
        len(versions),
        len(versions),
    ]
    assert await count(database, projects, api_keys) == [1, 1]
    await database.close()


async def test_of_processes_that_find_a_project_without_a_key_one_makes_it(any_database: Database) -> None:
    await Keys(any_database).create_project("default")

    secrets = await asyncio.gather(*(first_secret(any_database) for _ in range(5)))

    assert len([secret for secret in secrets if secret]) == 1
    assert await count(any_database, projects, api_keys) == [1, 1]


async def test_a_second_start_changes_nothing(sqlite_url: str, database: Database) -> None:
    settings = Settings(database_url=sqlite_url)
    async with running(settings):
        pass
    before = await contents(database)

    async with running(settings) as services:
        statuses = {version.row.status for version in services.catalog.versions()}

    assert statuses == {ServingStatus.READY}
    assert await contents(database) == before


async def contents(database: Database) -> list[Any]:
    async with database.read() as connection:
        return [
            (await connection.execute(select(table).order_by(table.c.id))).all()
            for table in (models, model_versions, prices)
        ]


async def test_embedded_models_can_be_left_out(sqlite_url: str, database: Database) -> None:
    await prepare(Settings(database_url=sqlite_url, embedded_models=False), database)

    assert await count(database, models) == [0]


async def test_when_it_ends_nothing_is_left_running(sqlite_url: str) -> None:
    before = asyncio.all_tasks()

    async with running(Settings(database_url=sqlite_url)):
        meanwhile = asyncio.all_tasks()

    assert meanwhile > before
    assert asyncio.all_tasks() == before
