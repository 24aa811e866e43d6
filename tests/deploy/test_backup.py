"""The recipes of docs/operations.md for backup and restore, as they stand there, while a server writes."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from foretell.settings import Settings
from tests.clients.served import served
from tests.faults.asking import Client, stored
from tests.foretell.commands import foretell
from tests.services import missing, new_postgres_database

ROOT = Path(__file__).parents[2]
DOCUMENTED = (ROOT / "docs" / "operations.md").read_text()
RECIPES = dict(re.findall(r"```sh\n# ((?:backup|restore) \w+)[^\n]*\n(.*?)```", DOCUMENTED, re.DOTALL))


async def follow(recipe: str, folder: Path, **environment: str) -> None:
    """Does what a recipe says, in a shell."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))  # noqa: ASYNC240
    path = os.pathsep.join([*(str(each) for each in programs[-1:]), os.environ["PATH"]])
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euc", RECIPES[recipe]), cwd=folder, env={**os.environ, "PATH": path, **environment}
    )
    code = await process.wait()
    if code == 127:
        missing("there is no pg_dump")
    assert code == 0


async def write_while_copied(settings: Settings, recipe: str, folder: Path, **environment: str) -> int:
    """Serves, answers predictions, makes a copy meanwhile; returns how many were answered before it began."""
    async with served(settings) as server:
        client = Client(server)
        for number in range(20):
            await client.predict(number)
        before = len(client.succeeded)
        busy = asyncio.create_task(_predict_on(client))
        await follow(recipe, folder, **environment)
        busy.cancel()
    return before


async def _predict_on(client: Client) -> None:
    while True:
        await client.predict()


def settings_of(url: str, folder: Path) -> Settings:
    return Settings(database_url=url, data_directory=folder / "data", inference_threads=1)


async def check_copy(url: str, before: int, environment: Mapping[str, str]) -> None:
    """Fails unless a copy has all that was answered before, adds up, and is complete."""
    total, _, billed = await stored(url)
    checked = await asyncio.to_thread(foretell, "migrate", "--check", **environment)
    verified = await asyncio.to_thread(foretell, "usage", "verify", **environment)

    assert total >= before == 20
    assert billed >= before
    assert checked.exit_code == 0, checked.output
    assert verified.exit_code == 0, verified.output


@pytest.mark.slow
async def test_a_copy_of_sqlite_has_all_that_was_answered_before(sqlite_url: str, tmp_path: Path) -> None:
    before = await write_while_copied(settings_of(sqlite_url, tmp_path), "backup sqlite", tmp_path)
    await follow("restore sqlite", tmp_path)

    await check_copy(sqlite_url, before, {"FORETELL_DATABASE_URL": sqlite_url})


@pytest.mark.slow
@pytest.mark.postgres
async def test_a_dump_of_postgresql_has_all_that_was_answered_before(tmp_path: Path) -> None:
    with new_postgres_database() as source, new_postgres_database() as target:
        plain = {name: url.replace("+asyncpg", "") for name, url in (("SOURCE", source), ("TARGET", target))}
        before = await write_while_copied(
            settings_of(source, tmp_path), "backup postgresql", tmp_path, SOURCE=plain["SOURCE"]
        )
        await follow("restore postgresql", tmp_path, TARGET=plain["TARGET"])

        await check_copy(target, before, {"FORETELL_DATABASE_URL": target})
