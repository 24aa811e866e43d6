"""The examples are run as a reader would run them: each predicts, tells a story, and resumes it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from foretell.settings import Settings
from tests.clients.examples import check_told
from tests.clients.node import installed, output
from tests.clients.served import served

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = [pytest.mark.node, pytest.mark.slow]


async def compile_for_relay() -> None:
    process = await asyncio.create_subprocess_exec(
        *("npm", "run", "--silent", "relay-compiler"),
        cwd=installed(EXAMPLES),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


@pytest.mark.parametrize("script", ["fetch.mjs", "apollo.mjs", "urql.mjs", "relay.mjs"])
async def test_an_example_predicts_and_tells_a_story_that_is_cut_off(
    script: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if script == "relay.mjs":
        await compile_for_relay()

    async with served(Settings(database_url=sqlite_url)) as server:
        monkeypatch.setenv("FORETELL_URL", server.url)
        monkeypatch.setenv("FORETELL_API_KEY", server.key)
        said = await output(script, cwd=installed(EXAMPLES))

        await check_told(server, said)


def test_every_example_is_run() -> None:
    scripts = {file.name for file in EXAMPLES.glob("*.mjs")}

    assert scripts == {"story.mjs", "fetch.mjs", "apollo.mjs", "urql.mjs", "relay.mjs"}
