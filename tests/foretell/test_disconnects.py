"""A caller who goes away while it waits: the work goes on, or ends with it, as it asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from foretell.settings import Settings
from tests.clients.served import Served, served
from tests.servers.openai_compatible import ModelServer
from tests.servers.script import model

PREDICT = """mutation ($policy: DisconnectPolicy!) {
  predict(input: {
    model: {name: "story"}, onDisconnect: $policy, waitMs: 20000, cache: BYPASS
    data: {text: {prompt: {text: "Once"}}}
  }) { prediction { id } errors { message } }
}"""
LATEST = """{ predictions(first: 1) { nodes {
  status usage { inputTokens outputTokens source } output { ... on TextOutput { text finishReason } }
} } }"""
REGISTRY = """
[[models]]
name = "story"
display_name = "A story"
task = "TEXT_GENERATION"
[[models.versions]]
version = "1"
backend = {{ kind = "OPENAI", base_url = "{url}", model = "{model}" }}
"""
WINDOWS = {
    "before the headers": model(accept_delay=20),
    "before the first token": model(first_delay=20),
    "in mid-stream": model(tokens=50, stall=3),
}


@dataclass
class Site:
    """The application in front of a model server."""

    server: Served
    models: ModelServer

    async def ask(self, document: str, **variables: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.server.key}"}
        async with httpx.AsyncClient(timeout=30) as client:
            body = {"query": document, "variables": variables}
            return (await client.post(f"{self.server.url}/graphql", json=body, headers=headers)).json()

    async def latest(self) -> dict[str, Any]:
        """Returns the last prediction, once it is terminal."""
        while True:
            node: dict[str, Any] = (await self.ask(LATEST))["data"]["predictions"]["nodes"][0]
            if node["status"] not in ("QUEUED", "RUNNING"):
                return node
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def site(script: str, folder: Path, sqlite_url: str) -> AsyncIterator[Site]:
    async with ModelServer().serving() as models:
        file = folder / "models.toml"
        file.write_text(REGISTRY.format(url=models.url, model=script))
        settings = Settings(database_url=sqlite_url, models_file=file, embedded_models=False)
        async with served(settings) as server:
            yield Site(server, models)


async def leave_http(site: Site, policy: str) -> None:
    """Sends the mutation, and closes the connection while it waits for the answer."""
    asking = asyncio.create_task(site.ask(PREDICT, policy=policy))
    await site.models.until(live=1)
    await asyncio.sleep(0.2)
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking


async def leave_websocket(site: Site, policy: str) -> None:
    """The same over a socket."""
    url = f"{site.server.url.replace('http', 'ws', 1)}/graphql"
    async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        credential = {"Authorization": f"Bearer {site.server.key}"}
        await socket.send(json.dumps({"type": "connection_init", "payload": credential}))
        await socket.recv()
        payload = {"query": PREDICT, "variables": {"policy": policy}}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        await site.models.until(live=1)
        await asyncio.sleep(0.2)


@pytest.mark.parametrize("leave", [leave_http, leave_websocket])
@pytest.mark.parametrize("window", WINDOWS)
async def test_cancel_closes_the_upstream_call_in_every_window(
    window: str, leave: Any, tmp_path: Path, sqlite_url: str
) -> None:
    async with site(WINDOWS[window], tmp_path, sqlite_url) as here:
        await leave(here, "CANCEL")

        async with asyncio.timeout(5):
            await here.models.until(live=0, left=1)
            prediction = await here.latest()

    written = {"text": "Once upon a", "finishReason": "CANCELED"} if window == "in mid-stream" else None
    assert (prediction["status"], prediction["output"]) == ("CANCELED", written)
    assert prediction["usage"] == {
        "inputTokens": 1,
        "outputTokens": 3 if written else 0,
        "source": "ESTIMATED",
    }


@pytest.mark.parametrize("leave", [leave_http, leave_websocket])
async def test_detached_work_goes_on_to_its_end(leave: Any, tmp_path: Path, sqlite_url: str) -> None:
    script = model(tokens=5, delay=0.3)
    async with site(script, tmp_path, sqlite_url) as here:
        await leave(here, "DETACH")

        async with asyncio.timeout(10):
            prediction = await here.latest()

    assert prediction["status"] == "SUCCEEDED"
    assert prediction["output"] == {"text": "Once upon a time,", "finishReason": "STOP"}
    assert here.models.left == 0
