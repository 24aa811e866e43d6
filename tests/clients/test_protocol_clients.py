"""The clients that people use: graphql-ws, graphql-sse, urql and Apollo, on a real server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.clients.node import installed, node
from tests.foretell.graphql_service import KEY, Service, serving

SUITE = Path(__file__).parent / "protocols"

pytestmark = [pytest.mark.node, pytest.mark.slow]


async def test_the_clients_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", KEY)

    async with serving(Service().app) as address:
        monkeypatch.setenv("URL", f"http://{address}/graphql")
        async with node("--test", "clients.test.mjs", cwd=installed(SUITE)) as process:
            said, _ = await process.communicate()

    assert process.returncode == 0, said.decode()
    assert "# pass 21" in said.decode(), said.decode()


@pytest.mark.parametrize("transport", ["ws", "sse"])
async def test_clients_come_back_after_a_restart(transport: str) -> None:
    service = Service()
    async with serving(service.app) as address:
        command = ("reconnect.mjs", transport, f"http://{address}/graphql", KEY)
        async with asyncio.timeout(30), node(*command, cwd=installed(SUITE)) as process:
            assert process.stdout
            assert await process.stdout.readline() == b"following\n"

            service.shutdown.set()
            while service.watching:  # noqa: ASYNC110  # until the server has closed
                await asyncio.sleep(0.01)
            service.shutdown.clear()

            assert await process.stdout.readline() == b"following\n"
            assert await process.wait() == 0
