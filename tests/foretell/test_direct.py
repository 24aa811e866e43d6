"""What the layers in front of the application do, GraphQL has too, although it passes none of FastAPI's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from fastapi import FastAPI
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from foretell.app import GRAPHQL, create_app
from foretell.direct import Direct
from foretell.settings import Settings
from tests.foretell.graphql_service import serving

HELLO = {"query": "{ __typename }"}


@pytest.fixture
async def app(sqlite_url: str) -> AsyncIterator[FastAPI]:
    app = create_app(Settings(database_url=sqlite_url, embedded_models=False))
    async with LifespanManager(app, startup_timeout=60):
        yield app


def client(app: Any, **given: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, **given), base_url="http://localhost")


async def test_graphql_goes_past_the_layers_of_fastapi(app: Direct) -> None:
    async def unwanted(*_: Any) -> None:
        raise AssertionError("FastAPI was asked")

    app.middleware_stack = unwanted
    async with client(app) as asking:
        answer = await asking.post(GRAPHQL, json=HELLO)

        with pytest.raises(AssertionError):
            await asking.get("/health")

    assert answer.status_code == 401


async def test_sockets_go_past_them_too_and_are_protected_like_the_others(app: Direct) -> None:
    async def unwanted(*_: Any) -> None:
        raise AssertionError("FastAPI was asked")

    app.middleware_stack = unwanted
    protocol = Subprotocol("graphql-transport-ws")
    async with serving(app) as address:
        async with connect(f"ws://{address}/graphql", subprotocols=[protocol]) as socket:
            await socket.send('{"type": "ping"}')
            assert await socket.recv() == '{"type":"pong"}'

        with pytest.raises(InvalidStatus) as refused:
            await connect(
                f"ws://{address}/graphql",
                subprotocols=[protocol],
                additional_headers=[("Host", "evil.example")],
            )

    assert refused.value.response.status_code == 421


async def test_one_that_is_mounted_under_another_path_is_routed_as_ever(app: Direct) -> None:
    async with client(app, root_path="/under") as asking:
        answer = await asking.post("/under/graphql", json=HELLO)

    assert answer.status_code == 401


async def test_answers_have_the_same_headers_whichever_way_they_came(app: Direct) -> None:
    async with client(app) as direct, client(app, root_path="/under") as routed:
        short = await direct.post(GRAPHQL, json=HELLO, headers={"X-Request-Id": "one"})
        long = await routed.post("/under/graphql", json=HELLO, headers={"X-Request-Id": "one"})

    assert short.headers == long.headers
    assert short.content == long.content
    assert short.headers["x-frame-options"] == "DENY"
    assert short.headers["x-request-id"] == "one"


@pytest.mark.parametrize("hosts", [["evil.example"], ["localhost", "localhost"], []])
async def test_another_host_is_refused_and_counted(app: Direct, hosts: list[str]) -> None:
    started: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": GRAPHQL,
        "query_string": b"",
        "client": None,
        "headers": [(b"host", host.encode()) for host in hosts],
    }

    async def receive() -> dict[str, Any]:
        raise AssertionError("its body was read")

    async def send(message: Any) -> None:
        started.append(message)

    await app(scope, receive, send)

    labels = {"route": GRAPHQL, "method": "POST", "code": "421"}
    assert started[0]["status"] == 421
    assert (b"x-frame-options", b"DENY") in started[0]["headers"]
    assert app.state.metrics.registry.get_sample_value("foretell_http_requests_total", labels) == 1
