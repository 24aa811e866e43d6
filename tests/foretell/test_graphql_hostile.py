"""Hostile use: each attack is refused, costs little CPU, and the endpoint answers others meanwhile."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from foretell.graphql import TransportOptions
from tests.foretell.graphql_service import HEADERS, KEY, Service, serving

PROTOCOL = Subprotocol("graphql-transport-ws")
CPU_SECONDS = 0.2
"""The longest that one request may hold the event loop, and so everybody else."""


def deep_list(levels: int) -> str:
    return "[" * levels + "]" * levels


ATTACKS: dict[str, dict[str, Any]] = {
    "doubling fragments": {
        "query": "{ ...f0 } "
        + "".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(150))
        + "fragment f150 on Query { hello }"
    },
    "circular fragments": {"query": "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }"},
    "aliases": {"query": "{" + "".join(f"a{n}: hello " for n in range(600)) + "}"},
    "repeated objects": {"query": "{" + "item { name } " * 240 + "}"},
    "repeated fields in a fragment that is not used": {
        "query": "{ hello } fragment F on Query {" + "item { name } " * 240 + "}"
    },
    "directives": {"query": "{ hello " + "@skip(if: false) " * 200 + "}"},
    "unknown directives": {"query": "{ hello " + "@a" * 900 + "}"},
    "depth": {"query": "{ item {" + "parent { " * 100 + "name" + "}" * 102},
    "nesting": {"query": "{ item " * 400},
    "amplification": {
        "query": "{ items(first: 100) { nodes { children(first: 100) { nodes { children(first: 100) "
        "{ nodes { name } } } } } } }"
    },
    "a page of two billion": {"query": "{ items(first: 2147483647) { nodes { name } } }"},
    "circular introspection": {
        "query": "{ __schema { types { fields { type { fields { type { fields { type { name } } } } } } } } }"
    },
    "repeated introspection": {
        "query": "{"
        + "".join(f"a{n}: __schema {{ types {{ fields {{ name }} }} }} " for n in range(11))
        + "}"
    },
    "tokens": {"query": "{" + "hello " * 9000 + "}"},
    "comments": {"query": "#\n" * 30_000 + "{ hello }"},
    "a long document": {"query": "{ hello }" + " " * 900_000},
    "wrong names that resemble right ones": {"query": "{" + "".join(f"hell{n} " for n in range(490)) + "}"},
    "undefined variables": {"query": "{" + "".join(f"a{n}: hello(name: $v{n}) " for n in range(30)) + "}"},
    "unused variables": {"query": "query (" + "".join(f"$v{n}: Int " for n in range(480)) + ") { hello }"},
    "a long list": {
        "query": "query ($n: [Int!]!) { total(numbers: $n) }",
        "variables": {"n": [1] * 400_000},
    },
    "a long list of wrong values": {
        "query": "query ($n: [Int!]!) { total(numbers: $n) }",
        "variables": {"n": ["x"] * 200_000},
    },
    "a deep list for a number": {
        "query": "query ($n: [Int!]!) { total(numbers: $n) }",
        "variables": {"n": json.loads(deep_list(400))},
    },
    "deep JSON": {
        "query": "query ($v: JSON!) { echo(value: $v) }",
        "variables": {"v": json.loads(deep_list(400))},
    },
    "deep JSON in the document": {"query": "{ echo(value: " + deep_list(300) + ") }"},
    "a batch": {"query": [{"query": "{ hello }"}] * 1000},
    "a number beyond all": {"query": "{ items(first: " + "9" * 5000 + ") { nodes { name } } }"},
    "a surrogate": {"query": '{ hello(name: "\\uD83D") }'},
}


async def cheapest(client: httpx.AsyncClient, body: dict[str, Any]) -> tuple[httpx.Response, float]:
    """The answer, and the CPU seconds it took: the least of three, or a collection of garbage would count.

    Each time the document is another one for the caches.
    """
    used = []
    for number in range(3):
        query = body["query"]
        content = json.dumps({**body, "query": f"{query}\n#{number}" if isinstance(query, str) else query})
        start = time.process_time()
        response = await client.post(
            "/graphql", content=content, headers={"Content-Type": "application/json"}
        )
        used.append(time.process_time() - start)
    return response, min(used)


@pytest.mark.parametrize("attack", ATTACKS)
async def test_an_attack_is_refused_cheaply(attack: str) -> None:
    async with Service().client() as client:
        response, seconds = await cheapest(client, ATTACKS[attack])

    assert 400 <= response.status_code < 500, response.text[:500]
    assert "data" not in response.json()
    assert len(response.content) < 20_000
    assert seconds < CPU_SECONDS


async def test_a_batch_is_refused_whole() -> None:
    async with Service().client() as client:
        response = await client.post("/graphql", json=[{"query": "{ hello }"}] * 1000)

    assert response.status_code == 422


async def test_the_largest_body_of_numbers_is_read_cheaply() -> None:
    body = {"query": "query ($v: JSON!) { echo(value: $v) }", "variables": {"v": [0.5] * 200_000}}
    async with Service().client() as client:
        response, seconds = await cheapest(client, body)

    assert response.status_code == 200
    assert seconds < CPU_SECONDS


@pytest.mark.parametrize("key", [["x"], 1, None, {"a": 1}, "x" * 100_000])
async def test_a_strange_frame_is_refused_cheaply(key: Any) -> None:
    async with (
        serving(Service().app) as address,
        connect(f"ws://{address}/graphql", subprotocols=[PROTOCOL]) as socket,
    ):
        await socket.send(json.dumps({"type": "subscribe", "id": key, "payload": deep_list(400)}))

        with pytest.raises(ConnectionClosed):
            await socket.recv()

    assert socket.close_code in (4400, 4401)


async def answers_promptly(client: httpx.AsyncClient, url: str) -> None:
    async with asyncio.timeout(2):
        response = await client.post(url, json={"query": "{ hello }"})
    assert response.status_code == 200


async def test_idle_sockets_are_capped_and_let_go_while_others_are_answered() -> None:
    options = TransportOptions(sockets_per_address=50, init_timeout=0.5)
    service = Service(options={"options": options})
    async with (
        serving(service.app) as address,
        httpx.AsyncClient(headers=HEADERS) as client,
        AsyncExitStack() as open_,
    ):
        opened = await asyncio.gather(
            *(connect(f"ws://{address}/graphql", subprotocols=[PROTOCOL]) for _ in range(200)),
            return_exceptions=True,
        )
        accepted = [socket for socket in opened if not isinstance(socket, BaseException)]
        for socket in accepted:
            open_.push_async_callback(socket.close)

        assert len(accepted) == 50
        await answers_promptly(client, f"http://{address}/graphql")
        async with asyncio.timeout(5):
            for socket in accepted:
                await socket.wait_closed()

    assert {socket.close_code for socket in accepted} == {4408}
    assert service.endpoint.websocket.by_address["127.0.0.1"] == 0


async def test_a_flood_of_handshakes_is_cut_off_while_others_are_answered() -> None:
    service = Service()
    init = json.dumps({"type": "connection_init", "payload": {"X-API-Key": KEY}})

    async def flood(url: str) -> int | None:
        async with connect(url, subprotocols=[PROTOCOL]) as socket:
            try:
                for _ in range(1000):
                    await socket.send(init)
            except ConnectionClosed:
                pass
            await socket.wait_closed()
            return socket.close_code

    async with serving(service.app) as address, httpx.AsyncClient(headers=HEADERS) as client:
        floods = [asyncio.create_task(flood(f"ws://{address}/graphql")) for _ in range(20)]
        await answers_promptly(client, f"http://{address}/graphql")
        codes = await asyncio.gather(*floods)

    assert set(codes) == {4429}


async def test_bodies_that_drip_in_are_given_up_while_others_are_answered() -> None:
    service = Service(options={"options": TransportOptions(body_timeout=0.3)})
    head = (
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nX-API-Key: " + KEY.encode() + b"\r\n"
        b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    )
    async with serving(service.app) as address, httpx.AsyncClient(headers=HEADERS) as client:
        host, port = address.split(":")
        connections = [await asyncio.open_connection(host, int(port)) for _ in range(50)]
        for _, writer in connections:
            writer.write(head)

        await answers_promptly(client, f"http://{address}/graphql")
        async with asyncio.timeout(5):
            answers = [await reader.readline() for reader, _ in connections]
        for _, writer in connections:
            writer.close()

    assert {answer.split()[1] for answer in answers} == {b"408"}


async def test_a_reader_that_does_not_read_stops_its_subscription_not_the_server() -> None:
    service = Service()
    async with (
        serving(service.app) as address,
        httpx.AsyncClient(headers=HEADERS) as client,
        connect(f"ws://{address}/graphql", subprotocols=[PROTOCOL]) as socket,
    ):
        await socket.send(json.dumps({"type": "connection_init", "payload": {"X-API-Key": KEY}}))
        await socket.recv()
        socket.transport.pause_reading()
        query = "subscription { count(to: 10000000) }"
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": query}}))

        for _ in range(3):
            await answers_promptly(client, f"http://{address}/graphql")
        socket.transport.abort()
