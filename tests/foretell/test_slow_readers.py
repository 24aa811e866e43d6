"""A client that stops reading: nobody waits for it, nothing piles up, and it still gets everything."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from foretell.settings import Settings
from tests.clients.served import served
from tests.servers.openai_compatible import ModelServer
from tests.servers.script import model
from tests.system.following import TEXT

TOKENS = 10_000

REGISTRY = """
[[models]]
name = "story"
display_name = "A long story"
task = "TEXT_GENERATION"
[[models.versions]]
version = "1"
max_tokens = {tokens}
backend = {{ kind = "OPENAI", base_url = "{url}", model = "{model}" }}
"""
BEGIN = """mutation ($tokens: Int!) {
  predict(input: {
    model: {name: "story"}, waitMs: 0, cache: BYPASS
    data: {text: {prompt: {text: "Once"}, parameters: {maxTokens: $tokens}}}
  }) { prediction { id } errors { message } }
}"""
STATUS = "query ($id: ID!) { prediction(id: $id) { status output { ... on TextOutput { text } } } }"


async def receive(socket: ClientConnection) -> Any:
    message = json.loads(await socket.recv())
    assert message["type"] == "next", message
    return message["payload"]["data"]["tokens"]


async def test_a_client_that_stops_reading_holds_nobody_up_and_then_gets_the_rest(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with ModelServer().serving() as models:
        script = model(tokens=TOKENS)
        file = tmp_path / "models.toml"
        file.write_text(REGISTRY.format(url=models.url, model=script, tokens=TOKENS))
        settings = Settings(database_url=sqlite_url, models_file=file, embedded_models=False)
        async with served(settings) as server, httpx.AsyncClient(timeout=60) as client:

            async def ask(document: str, **variables: Any) -> Any:
                body = {"query": document, "variables": variables}
                headers = {"Authorization": f"Bearer {server.key}"}
                return (await client.post(f"{server.url}/graphql", json=body, headers=headers)).json()["data"]

            key = (await ask(BEGIN, tokens=TOKENS))["predict"]["prediction"]["id"]
            url = f"{server.url.replace('http', 'ws', 1)}/graphql"
            protocol = Subprotocol("graphql-transport-ws")
            async with connect(url, subprotocols=[protocol], max_queue=2) as socket:
                credential = {"Authorization": f"Bearer {server.key}"}
                await socket.send(json.dumps({"type": "connection_init", "payload": credential}))
                await socket.recv()
                payload = {"query": TEXT, "variables": {"id": key, "after": 0}}
                await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
                text = (await receive(socket))["text"]

                async with asyncio.timeout(60):  # while the client above reads nothing
                    while (stored := (await ask(STATUS, id=key))["prediction"])["status"] != "SUCCEEDED":
                        assert stored["status"] in ("QUEUED", "RUNNING")
                        await asyncio.sleep(0.1)

                kinds: list[str] = []
                async with asyncio.timeout(60):
                    while not kinds or kinds[-1] != "StreamEnd":
                        event = await receive(socket)
                        kinds.append(event["__typename"])
                        if kinds[-1] == "StreamSnapshot":
                            text = event["text"]
                        elif kinds[-1] == "TokenEvent":
                            text += event["text"]

    assert text == stored["output"]["text"]
