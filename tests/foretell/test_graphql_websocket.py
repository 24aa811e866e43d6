"""graphql-transport-ws over a real socket: every close code, and operations that leave each other alone."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.typing import Subprotocol

from foretell.graphql import operations
from tests.foretell.graphql_service import KEY, Service
from tests.foretell.socket_client import client, eventually, short


@pytest.fixture(autouse=True, params=["compiled", "Strawberry"])
def runs_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets operations run with and without Strawberry's machinery: nobody sees a difference."""
    if request.param == "Strawberry":
        monkeypatch.setattr(operations, "compiled_of", lambda schema: None)


async def test_a_query_is_answered_and_completed() -> None:
    async with client(Service()) as ws:
        await ws.init()

        await ws.subscribe("1", "query Q($n: String!) { hello(name: $n) }", variables={"n": "you"})

        assert (await ws.receive())["payload"]["data"] == {"hello": "hello you"}
        assert await ws.receive() == {"type": "complete", "id": "1"}


async def test_a_subscription_tells_its_cost_once() -> None:
    async with client(Service()) as ws:
        await ws.init()

        await ws.subscribe("1", "subscription { count(to: 3) }")

        payloads = [(await ws.receive())["payload"] for _ in range(3)]
        assert [payload["data"]["count"] for payload in payloads] == [1, 2, 3]
        assert ["extensions" in payload for payload in payloads] == [True, False, False]
        assert (await ws.receive())["type"] == "complete"


async def test_what_was_loaded_is_forgotten_between_events() -> None:
    async with client(Service()) as ws:
        await ws.init()

        await ws.subscribe("1", "subscription { renewals }")

        assert [(await ws.receive())["payload"]["data"]["renewals"] for _ in range(3)] == [0, 1, 2]


async def test_an_id_is_free_once_its_operation_is_complete() -> None:
    async with client(Service()) as ws:
        await ws.init()

        for _ in range(2):
            await ws.subscribe("1", "{ hello }")
            assert (await ws.receive())["type"] == "next"
            assert (await ws.receive())["type"] == "complete"


async def test_every_operation_has_its_own_request_id_and_context() -> None:
    service = Service()
    async with client(service) as ws:
        await ws.init()

        for key in "12":
            await ws.subscribe(key, "{ broken }")
        messages = [await ws.receive() for _ in range(4)]

    ids = {
        message["payload"]["errors"][0]["extensions"]["requestId"]
        for message in messages
        if message["type"] == "next"
    }
    assert ids == {session.request_id for session in service.sessions}
    assert len(ids) == 2


@pytest.mark.parametrize("payload", [None, {}, {"n": 1}])
async def test_ping_is_answered(payload: Any) -> None:
    async with client(Service()) as ws:
        await ws.send({"type": "ping", "payload": payload})

        assert (await ws.receive())["type"] == "pong"


async def test_pong_needs_no_answer() -> None:
    async with client(Service()) as ws:
        await ws.send({"type": "pong"})
        await ws.init()


@pytest.mark.parametrize(
    "message",
    [
        "{",
        "[]",
        '"x"',
        "1",
        "null",
        "{}",
        b"binary",
        {"type": 1},
        {"type": "start"},
        {"type": "connection_ack"},
        {"type": "next", "id": "1", "payload": {}},
        {"type": "connection_init", "payload": "x"},
        {"type": "connection_init", "payload": []},
        {"type": "ping", "payload": "x"},
        {"type": "subscribe"},
        {"type": "subscribe", "id": 1, "payload": {"query": "{ hello }"}},
        {"type": "subscribe", "id": [1]},
        {"type": "subscribe", "id": "", "payload": {"query": "{ hello }"}},
        {"type": "complete"},
        {"type": "complete", "id": 1},
        {"type": "é" * 500},
    ],
)
async def test_a_message_that_means_nothing_closes_with_4400(message: Any) -> None:
    async with client(Service()) as ws:
        await ws.send(message)

        assert (await ws.closed())[0] == 4400


async def test_subscribing_before_the_handshake_closes_with_4401() -> None:
    async with client(Service()) as ws:
        await ws.subscribe("1", "{ hello }")

        assert await ws.closed() == (4401, "Unauthorized")


@pytest.mark.parametrize("payload", [{}, {"Authorization": "Bearer fk_wrong"}, {"X-API-Key": "fk_wrong"}])
async def test_a_missing_or_wrong_credential_closes_with_4403(payload: dict[str, str]) -> None:
    async with client(Service()) as ws:
        await ws.send({"type": "connection_init", "payload": payload})

        assert (await ws.closed())[0] == 4403


@pytest.mark.parametrize("payload", [{"authorization": f"Bearer {KEY}"}, {"x-api-KEY": KEY}])
async def test_the_credential_is_read_from_the_payload_like_from_headers(payload: dict[str, str]) -> None:
    async with client(Service()) as ws:
        await ws.send({"type": "connection_init", "payload": payload})

        assert await ws.receive() == {"type": "connection_ack"}


async def test_the_headers_of_the_handshake_authenticate_too() -> None:
    async with client(Service(), Authorization=f"Bearer {KEY}") as ws:
        await ws.send({"type": "connection_init"})

        assert await ws.receive() == {"type": "connection_ack"}


async def test_a_failure_of_authentication_closes_with_4500_and_tells_nothing() -> None:
    async with client(Service()) as ws:
        await ws.send({"type": "connection_init", "payload": {"X-API-Key": "fk_explosive"}})

        assert await ws.closed() == (4500, "Internal server error")


async def test_another_subprotocol_closes_with_4406() -> None:
    for protocols in (None, [Subprotocol("graphql-ws")]):
        async with client(Service(), protocols) as ws:
            assert (await ws.closed())[0] == 4406


async def test_a_silent_socket_closes_with_4408() -> None:
    async with client(short(init_timeout=0.05)) as ws:
        await ws.send({"type": "ping"})
        await ws.receive()

        assert (await ws.closed())[0] == 4408


async def test_an_initialised_socket_may_be_idle() -> None:
    async with client(short(init_timeout=0.05)) as ws:
        await ws.init()
        await asyncio.sleep(0.1)

        await ws.send({"type": "ping"})

        assert (await ws.receive())["type"] == "pong"


async def test_using_an_id_twice_closes_with_4409() -> None:
    async with client(Service()) as ws:
        await ws.init()
        await ws.subscribe("1", "subscription { silence }")

        await ws.subscribe("1", "subscription { silence }")

        assert (await ws.closed())[0] == 4409


async def test_a_second_handshake_closes_with_4429() -> None:
    async with client(Service()) as ws:
        await ws.init()

        await ws.send({"type": "connection_init"})

        assert (await ws.closed())[0] == 4429


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ nothing }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "query A { hello }", "operationName": "B"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "query A { hello } query B { hello }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "query ($n: [Int!]!) { total(numbers: $n) }"}, "BAD_USER_INPUT"),
        ({"query": "{ hello }", "variables": []}, "BAD_REQUEST"),
        ({"query": 1}, "BAD_REQUEST"),
        ({}, "BAD_REQUEST"),
        (None, "BAD_REQUEST"),
        ("x", "BAD_REQUEST"),
        ({"query": "{ hello }" + " " * 70_000}, "DOCUMENT_LIMIT_EXCEEDED"),
        ({"query": "subscription { nothing }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "subscription { a: count(to: 1) b: count(to: 1) }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "subscription { count(to: null) }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"documentId": "sha256:" + "0" * 64}, "PERSISTED_QUERY_NOT_FOUND"),
    ],
)
async def test_a_bad_operation_fails_alone(payload: Any, code: str) -> None:
    async with client(Service()) as ws:
        await ws.init()
        await ws.subscribe("good", "subscription { count(to: 3, seconds: 0.05) }")

        await ws.send({"type": "subscribe", "id": "bad", "payload": payload})

        messages = [await ws.receive() for _ in range(5)]
        (error,) = [message for message in messages if message["id"] == "bad"]
        assert error["type"] == "error"
        assert error["payload"][0]["extensions"]["code"] == code
        assert [message["type"] for message in messages if message["id"] == "good"] == [
            *["next"] * 3,
            "complete",
        ]


@pytest.mark.parametrize("query", ["{ broken }", "mutation { nothing: login }", "subscription { breaks }"])
async def test_errors_are_masked_and_coded(query: str) -> None:
    async with client(Service()) as ws:
        await ws.init()

        await ws.subscribe("1", query)

        received = [await ws.receive()]
        while received[-1]["type"] == "next":
            received.append(await ws.receive())
        assert "secret" not in json.dumps(received)
        assert ("INTERNAL" in json.dumps(received)) == ("break" in query or "broken" in query)


async def test_completing_stops_the_subscription_on_the_server() -> None:
    service = Service()
    async with client(service) as ws:
        await ws.init()
        await ws.subscribe("1", "subscription { count(to: 1000000, seconds: 0.01) }")
        await ws.receive()

        await ws.send({"type": "complete", "id": "1"})

        await eventually(lambda: service.watching == 0)
        await ws.send({"type": "ping"})
        while (await ws.receive())["type"] != "pong":
            pass


async def test_completing_what_is_not_running_is_fine() -> None:
    async with client(Service()) as ws:
        await ws.init()
        await ws.send({"type": "complete", "id": "gone"})
        await ws.send({"type": "ping"})

        assert (await ws.receive())["type"] == "pong"


async def test_leaving_stops_the_subscriptions() -> None:
    service = Service()
    async with client(service) as ws:
        await ws.init()
        await ws.subscribe("1", "subscription { count(to: 1000000, seconds: 0.01) }")
        await ws.receive()

        await ws.socket.close()

        await eventually(lambda: service.watching == 0)


@pytest.mark.parametrize("leave", ["close", "complete", "abort"])
async def test_a_mutation_survives_its_caller(leave: str) -> None:
    service = Service()
    async with client(service) as ws:
        await ws.init()
        await ws.subscribe("1", 'mutation { write(name: "kept", seconds: 0.3) }')
        await eventually(lambda: service.sessions)

        if leave == "close":
            await ws.socket.close()
        elif leave == "abort":
            ws.socket.transport.abort()
        else:
            await ws.send({"type": "complete", "id": "1"})
        await asyncio.sleep(0.1)
        await service.endpoint.close()

    assert service.written == ["kept"]


async def test_to_leave_one_operation_is_not_to_leave_its_neighbours() -> None:
    service = Service()
    async with client(service) as ws:
        await ws.init()
        for key in "12":
            await ws.subscribe(key, "subscription { silence }")
        await eventually(lambda: len(service.sessions) == 2)

        await ws.send({"id": "1", "type": "complete"})

        first, second = service.sessions
        await eventually(first.left.is_set)
        assert not second.left.is_set()
