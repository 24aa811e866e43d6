"""A key that is revoked through one process loses what another one holds open for it, over Redis."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.services import free_port, new_postgres_database, redis_url
from tests.system.following import PROTOCOL
from tests.system.processes import Server, serving

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.slow]

CREATE = """mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) {
  apiKey { id } secret replayed errors { message } } }"""
REVOKE = "mutation ($id: ID!) { revokeApiKey(input: {id: $id}) { errors { message } } }"
SUBMIT = """mutation { submitBatch(input: {model: {name: "storyteller"}, source: {items: [
  {data: {text: {prompt: {text: "Once"}}}}]}}) { job { id } errors { message } } }"""
WATCH = "subscription ($id: ID!) { jobProgress(id: $id) { status } }"
SCOPES = ["JOBS_READ", "JOBS_WRITE"]


@pytest.fixture
async def idle_servers() -> AsyncIterator[tuple[Server, Server]]:
    """Two processes that run no jobs, so that watchers wait, and that look for revocations once an hour."""
    redis = await redis_url()
    with new_postgres_database() as database:
        environment = {
            "FORETELL_DATABASE_URL": database,
            "FORETELL_REDIS_URL": redis,
            "FORETELL_WORKER_SLOTS": "0",
            "FORETELL_LEASE_SECONDS": "3600",
        }
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(serving(free_port(), environment))
            yield first, await stack.enter_async_context(serving(free_port(), environment, first.key))


async def first_event(socket: ClientConnection, secret: str, job_id: str) -> None:
    """Begins to watch a job over a socket."""
    await socket.send(json.dumps({"type": "connection_init", "payload": {"X-API-Key": secret}}))
    await socket.recv()
    asked = {"query": WATCH, "variables": {"id": job_id}}
    await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": asked}))
    assert json.loads(await socket.recv())["type"] == "next"


async def stream_of(server: Server, secret: str, job_id: str, begun: asyncio.Event) -> str:
    """Returns all that an event stream says, up to its end."""
    headers = {"Authorization": f"Bearer {secret}", "Accept": "text/event-stream"}
    body = {"query": WATCH, "variables": {"id": job_id}}
    text = ""
    async with (
        httpx.AsyncClient(timeout=60) as client,
        client.stream("POST", f"{server.url}/graphql", json=body, headers=headers) as response,
    ):
        async for chunk in response.aiter_text():
            text += chunk
            begun.set()
    return text


async def test_a_revocation_closes_sockets_and_streams_of_another_process(
    idle_servers: tuple[Server, Server],
) -> None:
    here, there = idle_servers
    made = (await here.ask(CREATE, input={"name": "watcher", "scopes": SCOPES}))["createApiKey"]
    job_id = (await here.ask(SUBMIT))["submitBatch"]["job"]["id"]
    begun = asyncio.Event()
    async with connect(there.socket_url, subprotocols=[PROTOCOL]) as socket:
        await first_event(socket, made["secret"], job_id)
        streaming = asyncio.create_task(stream_of(there, made["secret"], job_id, begun))
        await begun.wait()

        await here.ask(REVOKE, id=made["apiKey"]["id"])

        async with asyncio.timeout(20):
            await socket.wait_closed()
            text = await streaming
    assert (socket.close_code, socket.close_reason) == (4403, "The credential was revoked.")
    assert '"code":"UNAUTHENTICATED"' in text
    assert text.endswith("event: complete\ndata: \n\n")
    revoked = Server(there.process, there.url, made["secret"])
    with pytest.raises(AssertionError, match="This API key was revoked"):
        await revoked.ask("{ viewer { id } }")


async def test_a_hundred_times_the_same_request_makes_one_key(two_servers: tuple[Server, Server]) -> None:
    asked: dict[str, Any] = {"name": "once", "scopes": SCOPES, "idempotencyKey": "once"}

    asking = (two_servers[turn % 2].ask(CREATE, input=asked) for turn in range(100))
    answers = [answer["createApiKey"] for answer in await asyncio.gather(*asking)]

    assert {str(answer["errors"]) for answer in answers} == {"[]"}
    assert len({answer["apiKey"]["id"] for answer in answers}) == 1
    assert Counter(answer["replayed"] for answer in answers) == {False: 1, True: 99}
    assert sum(answer["secret"] is not None for answer in answers) == 1
