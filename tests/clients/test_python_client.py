"""The typed Python client: made from the schema by ariadne-codegen, checked by mypy, and run."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest

from foretell.settings import Settings
from tests.clients.examples import check_told
from tests.clients.python_tool import installed
from tests.clients.served import served

EXAMPLE = Path(__file__).parents[2] / "examples" / "python_client"

pytestmark = pytest.mark.slow


async def run(*command: str | Path, **environ: str) -> str:
    """Runs a command of the example; returns what it prints."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=EXAMPLE,
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


@pytest.mark.timeout(300)
async def test_the_generated_client_predicts_and_tells_a_story_that_is_cut_off(sqlite_url: str) -> None:
    tools = await asyncio.to_thread(installed, EXAMPLE)
    shutil.rmtree(EXAMPLE / "foretell_client", ignore_errors=True)
    await run(tools / "ariadne-codegen")

    async with served(Settings(database_url=sqlite_url)) as server:
        said = await run(
            *(tools / "python", "story.py"),
            FORETELL_URL=server.url,
            FORETELL_API_KEY=server.key,
        )

        await check_told(server, said)


async def test_the_generated_client_and_what_uses_it_are_typed() -> None:
    tools = await asyncio.to_thread(installed, EXAMPLE)
    await run(tools / "ariadne-codegen")

    checked = await run(sys.executable, "-m", "mypy", "--strict", "--config-file=", "story.py")

    assert "no issues found in 1 source file" in checked
