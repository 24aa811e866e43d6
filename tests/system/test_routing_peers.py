"""The same with two MLServers: one is killed under load, and comes back."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.servers.mlserver import running_mlserver
from tests.services import free_port
from tests.system.load import circuit_is, loaded
from tests.system.processes import serving

MODELS = """
[[models]]
name = "pair"
display_name = "Pair"
task = "TENSOR"

[[models.versions]]
version = "1"
backend = {{ kind = "OPEN_INFERENCE", url = "http://127.0.0.1:{0}", model = "diabetes" }}

[[models.versions]]
version = "2"
backend = {{ kind = "OPEN_INFERENCE", url = "http://127.0.0.1:{1}", model = "diabetes" }}

[[models.aliases]]
name = "production"
targets = [{{ version = "1" }}]
fallbacks = ["2"]
"""
PREDICT = """mutation { predict(input: { model: {name: "pair"}, version: {alias: "production"}, cache: BYPASS,
  data: {tensor: {tensors: [{name: "patients", datatype: FP64, shape: [1, 10],
    values: {json: [0, 0, 0.06, 0.02, 0, 0, 0, 0, 0.02, 0]}}]}}}) {
  errors { code message }
  prediction { status attempts error { message } modelVersion { version } askedVersion { version } } } }"""


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_an_mlserver_that_is_killed_under_load_costs_no_prediction_and_is_taken_back(
    tmp_path: Path,
) -> None:
    folder, first = tmp_path / "served", free_port()
    with running_mlserver(folder) as second, running_mlserver(folder, first) as doomed:
        models = tmp_path / "models.toml"
        models.write_text(MODELS.format(first, second.url.rpartition(":")[2]))
        environment = {
            "FORETELL_DATABASE_URL": f"sqlite:///{tmp_path / 'foretell.db'}",
            "FORETELL_DATA_DIRECTORY": str(tmp_path / "data"),
            "FORETELL_MODELS_FILE": str(models),
            "FORETELL_EMBEDDED_MODELS": "false",
            "FORETELL_CIRCUIT_SECONDS": "0.3",
        }
        async with serving(free_port(), environment) as server, loaded(server, PREDICT) as load:
            await load.until(40)
            doomed.process.kill()
            await circuit_is(server, "OPEN", "HALF_OPEN")
            await load.until(40)
            with ExitStack() as stack:  # it starts in a thread, so that the callers go on
                await asyncio.to_thread(stack.enter_context, running_mlserver(folder, first))
                await circuit_is(server, "CLOSED")
                await load.until(40)
                last = load.answers[-1]
                load.over = True

    assert {answer["status"] for answer in load.answers} == {"SUCCEEDED"}
    assert {answer["askedVersion"]["version"] for answer in load.answers} == {"1"}
    assert {answer["modelVersion"]["version"] for answer in load.answers} == {"1", "2"}
    assert last["modelVersion"]["version"] == "1"
