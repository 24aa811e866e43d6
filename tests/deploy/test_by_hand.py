"""What compose.yaml would start, started by hand: the same commands, the same variables, other addresses."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.faults.servers import own_postgres, own_redis
from tests.services import free_port
from tests.system.batches import state, submit
from tests.system.processes import Server, eventually, is_ready

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
REFERENCE = re.compile(r"\$\{(\w+)(?::[-?]([^}]*))?\}")
GIVEN = {"POSTGRES_PASSWORD": "unused", "FORETELL_SECRET": "s" * 32}


def environment(service: str, addresses: Mapping[str, str], image: Mapping[str, str]) -> dict[str, str]:
    """The variables of a service, `${…}` filled in, and its neighbours at other addresses."""
    found = dict(image)
    for name, value in COMPOSE[service]["environment"].items():
        filled = re.sub(
            r"\$\{(\w+)(?::[-?]([^}]*))?\}", lambda match: GIVEN.get(match[1], match[2]), str(value)
        )
        for before, after in addresses.items():
            filled = filled.replace(before, after)
        found[name] = filled
    return found


@asynccontextmanager
async def running(
    service: str, given: Mapping[str, str], folder: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs the command of a service, and tells it to end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "foretell", *COMPOSE[service]["command"]),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **given},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.redis
@pytest.mark.timeout(300)
async def test_the_commands_of_compose_make_an_installation_that_works(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(own_postgres(tmp_path))
        redis = await stack.enter_async_context(own_redis(tmp_path))
        port, operators = free_port(), [free_port(), free_port(), free_port()]
        addresses = {
            "foretell:unused@postgres:5432/foretell": f"postgres@127.0.0.1:{postgres.port}/postgres",
            "redis:6379": f"127.0.0.1:{redis.port}",
            "127.0.0.1:8000": f"127.0.0.1:{port}",
        }
        image = {"FORETELL_PORT": str(port), "FORETELL_LOG_FORMAT": "json"}
        async with running("migrate", environment("migrate", addresses, image), tmp_path) as migrating:
            migrated = await migrating.wait()
        started = []
        for service, where in zip(("api", "worker", "worker"), operators, strict=True):
            own = image | {"FORETELL_METRICS_PORT": str(where)}
            given = environment(service, addresses, own)
            started.append(await stack.enter_async_context(running(service, given, tmp_path)))
        for where in (*operators, operators[0] + 1):

            async def there(where: int = where) -> bool:
                return await is_ready(where)

            await eventually(there, 120)
        api = started[0]
        assert api.stdout is not None
        key = (await api.stdout.readline()).decode().strip()
        server = Server(api, f"http://127.0.0.1:{port}", key)
        job_id = await submit(server, 500)

        async def is_done() -> bool:
            return bool((await state(server, job_id))["status"] == "SUCCEEDED")

        await eventually(is_done)
        async with httpx.AsyncClient() as client:
            metrics = [(await client.get(f"http://127.0.0.1:{each}/metrics")).text for each in operators]
        for process in started:
            process.terminate()
        codes = [await process.wait() for process in started]

    ended = re.compile(r'^foretell_predictions_total\{.*source="job".*\} (\d+)', re.MULTILINE)
    by_process = [sum(map(int, ended.findall(text))) for text in metrics]
    assert migrated == 0
    assert by_process[0] == 0
    assert sum(by_process) == 500
    assert codes == [0, 0, 0]


@pytest.mark.slow
async def test_the_wheel_of_the_image_holds_all_that_it_runs_on(tmp_path: Path) -> None:
    (command,) = re.findall(r"/opt/build/bin/python (-m pip wheel .*?) /wheels", _dockerfile(), re.DOTALL)

    build = await asyncio.create_subprocess_exec(
        *(sys.executable, *command.split(), str(tmp_path), str(ROOT)), stdout=asyncio.subprocess.DEVNULL
    )
    code = await build.wait()
    (wheel,) = tmp_path.glob("*.whl")  # noqa: ASYNC240
    names = set(zipfile.ZipFile(wheel).namelist())

    assert code == 0
    needed = ("embedded/models.toml", "embedded/storyteller/model.onnx", "static/graphiql/index.html")
    assert {f"foretell/{name}" for name in needed} <= names
    assert "db/migrations/versions/0001_first.py" in names


def _dockerfile() -> str:
    return (ROOT / "deploy" / "Dockerfile").read_text()
