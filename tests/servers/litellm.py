"""The LiteLLM proxy in a process of its own: a server that speaks OpenAI's API and that we did not write."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.services import free_port

PROGRAM = Path(__file__).parents[2] / ".venv-peers" / "litellm" / "bin" / "litellm"
KEY = "sk-peer-of-the-tests"
STORY = "Once upon a time there was a parrot."
START_SECONDS = 180

MOCKED = {
    "story": STORY,
    "limited": "litellm.RateLimitError",
    "broken": "litellm.InternalServerError",
    "too-long": "litellm.ContextWindowExceededError",
}


@contextmanager
def running_litellm(folder: Path, behind: str) -> Iterator[str]:
    """Yields the base URL of a proxy that answers `MOCKED` itself, and passes other models on to `behind`.

    The test is skipped if it is not installed, and fails if FORETELL_TEST_PEERS says that it should be.
    """
    if not PROGRAM.exists():
        told = "LiteLLM is not installed: run tests/servers/install.sh"
        if os.environ.get("FORETELL_TEST_PEERS"):
            pytest.fail(told)
        pytest.skip(told)
    port = free_port()
    (folder / "config.yaml").write_text(json.dumps(_config(behind)))
    command = [str(PROGRAM), "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    offline = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_DOCS": "True"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **offline}, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            _wait(f"http://127.0.0.1:{port}/health/liveliness", process, folder / "log")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait()


def _config(behind: str) -> dict[str, object]:
    models = [
        {"model_name": name, "litellm_params": {"model": f"openai/{name}", "mock_response": answer}}
        for name, answer in MOCKED.items()
    ]
    passed_on = {"model": "openai/*", "api_base": behind, "api_key": "none", "max_retries": 0}
    return {
        "model_list": [*models, {"model_name": "*", "litellm_params": passed_on}],
        "general_settings": {"master_key": KEY},
        "router_settings": {"num_retries": 0},
        "litellm_settings": {"telemetry": False},
    }


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        try:
            httpx.get(url, timeout=1)
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"LiteLLM did not start:\n{log.read_text()[-2000:]}")
