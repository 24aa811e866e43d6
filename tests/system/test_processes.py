"""Several processes behind one port, and workers beside them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.foretell.commands import foretell
from tests.services import free_port, new_postgres_database, redis_url
from tests.system.processes import ROOT, Server, eventually, is_ready, until_ready

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

COUNT = "{ predictions { totalCount } }"


@asynccontextmanager
async def serving_together(environment: Mapping[str, str]) -> AsyncIterator[Server]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "foretell", "serve", "--port", str(port), "--workers", "2"),
        cwd=ROOT,
        env={**os.environ, "FORETELL_LOG_LEVEL": "error", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        key = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
        server = Server(process, f"http://127.0.0.1:{port}", key)
        await until_ready(server)
        yield server
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def children(process: asyncio.subprocess.Process) -> set[int]:
    """The processes that serve: those that multiprocessing spawned, without its tracker."""
    listed = " ".join(
        each.read_text() for each in Path(f"/proc/{process.pid}/task").glob("*/children")
    ).split()
    return {int(each) for each in listed if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()}


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.slow
async def test_two_processes_serve_a_port_and_one_that_is_killed_is_replaced() -> None:
    operators = free_port()

    async def both_are_ready() -> bool:
        return await is_ready(operators) and await is_ready(operators + 1)

    redis = await redis_url()
    with new_postgres_database() as database:
        environment = {
            "FORETELL_DATABASE_URL": database,
            "FORETELL_REDIS_URL": redis,
            "FORETELL_METRICS_PORT": str(operators),
            "FORETELL_EMBEDDED_MODELS": "false",
        }
        async with serving_together(environment) as server, asyncio.timeout(90):
            await eventually(both_are_ready)
            first = children(server.process)
            async with httpx.AsyncClient() as client:
                shared = (await client.get(f"{server.url}/metrics")).status_code

            os.kill(min(first), signal.SIGKILL)
            for _ in range(20):
                await server.ask(COUNT)
            await eventually(both_are_ready)
            second = children(server.process)
            server.process.send_signal(signal.SIGTERM)
            code = await server.process.wait()

    assert (len(first), len(second), len(first & second)) == (2, 2, 1)
    assert shared == 404
    assert code == 0
    assert not any(is_alive(each) for each in first | second)


def test_several_processes_are_refused_what_they_can_not_share(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/foretell.db"

    refused = foretell("serve", "--workers", "2", FORETELL_DATABASE_URL=url)

    assert refused.exit_code == 1
    assert "FORETELL_REDIS_URL" in refused.output
    assert "FORETELL_DATABASE_URL" in refused.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
async def test_a_worker_shows_its_health_and_metrics_on_the_port_for_operators() -> None:
    operators = free_port()
    redis = await redis_url()
    with new_postgres_database() as database:
        environment = {
            "FORETELL_DATABASE_URL": database,
            "FORETELL_REDIS_URL": redis,
            "FORETELL_METRICS_PORT": str(operators),
            "FORETELL_EMBEDDED_MODELS": "false",
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "foretell", "worker", "--concurrency", "2"),
            cwd=ROOT,
            env={**os.environ, **environment},
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(60), httpx.AsyncClient() as client:
                await eventually(lambda: is_ready(operators))

                async def hears() -> bool:
                    metrics = await client.get(f"http://127.0.0.1:{operators}/metrics")
                    return "foretell_bus_up 1.0" in metrics.text

                await eventually(hears)
            process.terminate()
            _, said = await asyncio.wait_for(process.communicate(), 30)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    assert process.returncode == 0
    assert b"2 chunks at once" in said
