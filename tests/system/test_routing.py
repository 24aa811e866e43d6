"""Two servers of one model behind one name: one is killed, and the name is moved, while predictions go on."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.servers.script import model
from tests.services import free_port
from tests.system.load import circuit_is, loaded
from tests.system.processes import ROOT, serving

MODELS = """
[[models]]
name = "pair"
display_name = "Pair"
task = "EMBEDDING"

[[models.versions]]
version = "1"
backend = {{ kind = "OPENAI", base_url = "http://127.0.0.1:{0}/v1", model = "{2}" }}

[[models.versions]]
version = "2"
backend = {{ kind = "OPENAI", base_url = "http://127.0.0.1:{1}/v1", model = "{3}" }}

[[models.aliases]]
name = "production"
targets = [{{ version = "1" }}]
fallbacks = ["2"]
"""
DIMENSIONS = {"1": 3, "2": 5}
"""How long the vectors of each version are: so an answer tells by itself who gave it."""

PREDICT = """mutation { predict(input: {
  model: {name: "pair"}, version: {alias: "production"},
  cache: BYPASS, data: {embedding: {texts: ["text"]}}}) {
  errors { code message }
  prediction { status attempts modelVersion { version } askedVersion { version }
               output { ... on EmbeddingOutput { dimensions } } } } }"""
MOVE = """mutation ($version: String!) { setModelAlias(input: {model: {name: "pair"}, name: "production",
  targets: [{version: {version: $version}}]}) { errors { message } } }"""


@asynccontextmanager
async def model_server(port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A model server in a process of its own."""
    command = (sys.executable, "-m", "tests.servers.openai_compatible", str(port))
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert (await asyncio.wait_for(process.stdout.readline(), 30)).startswith(b"http://")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def settings(folder: Path, *ports: int) -> dict[str, str]:
    """Returns the settings of a server for the pair of model servers."""
    file = folder / "models.toml"
    names = [model(vectors=length) for length in DIMENSIONS.values()]
    file.write_text(MODELS.format(*ports, *names))
    return {
        "FORETELL_DATABASE_URL": f"sqlite:///{folder / 'foretell.db'}",
        "FORETELL_DATA_DIRECTORY": str(folder / "data"),
        "FORETELL_MODELS_FILE": str(file),
        "FORETELL_EMBEDDED_MODELS": "false",
        "FORETELL_CIRCUIT_SECONDS": "0.3",
    }


def told_the_truth(answer: dict[str, Any]) -> bool:
    """Tells whether the version that an answer names gave it."""
    return bool(answer["output"]["dimensions"] == DIMENSIONS[answer["modelVersion"]["version"]])


async def test_a_server_that_is_killed_under_load_costs_no_prediction_and_is_taken_back(
    tmp_path: Path,
) -> None:
    first, second = free_port(), free_port()
    async with (
        model_server(first) as doomed,
        model_server(second),
        serving(free_port(), settings(tmp_path, first, second)) as server,
        loaded(server, PREDICT) as load,
    ):
        await load.until(40)
        doomed.kill()
        await circuit_is(server, "OPEN", "HALF_OPEN")
        await load.until(40)
        async with model_server(first):
            await circuit_is(server, "CLOSED")
            await load.until(40)
            load.over = True
            last = load.answers[-1]

    assert {answer["status"] for answer in load.answers} == {"SUCCEEDED"}
    assert all(map(told_the_truth, load.answers))
    stood_in = [answer for answer in load.answers if answer["modelVersion"]["version"] == "2"]
    assert stood_in
    assert {answer["askedVersion"]["version"] for answer in load.answers} == {"1"}
    assert max(answer["attempts"] for answer in stood_in) == 2
    assert min(answer["attempts"] for answer in stood_in) == 1, "an open circuit is passed over"
    assert last["modelVersion"]["version"] == "1"


async def test_an_alias_that_is_moved_under_load_leaves_every_answer_with_the_version_that_gave_it(
    tmp_path: Path,
) -> None:
    first, second = free_port(), free_port()
    async with (
        model_server(first),
        model_server(second),
        serving(free_port(), settings(tmp_path, first, second)) as server,
        loaded(server, PREDICT) as load,
    ):
        for version in ("2", "1", "2", "1", "2"):
            await load.until(20)
            moved = await server.ask(MOVE, version=version)
            assert moved["setModelAlias"]["errors"] == []
        await load.until(20)

    assert {answer["status"] for answer in load.answers} == {"SUCCEEDED"}
    assert all(map(told_the_truth, load.answers))
    assert {answer["modelVersion"]["version"] for answer in load.answers} == {"1", "2"}
    assert load.answers[-1]["modelVersion"]["version"] == "2"
