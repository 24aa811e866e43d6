"""How sockets end from our side, and how many there may be."""

from __future__ import annotations

import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.foretell.graphql_service import EXPIRING, KEY, Service, serving
from tests.foretell.socket_client import PROTOCOL, Client, client, eventually, short


async def test_a_revoked_credential_closes_with_4403() -> None:
    service = Service()
    async with client(service) as ws:
        await ws.init()
        await ws.subscribe("1", "subscription { silence }")

        service.revoked.set()

        assert await ws.closed() == (4403, "The credential was revoked.")


async def test_an_expired_credential_closes_with_4403() -> None:
    async with client(Service()) as ws:
        await ws.init(EXPIRING)

        assert await ws.closed() == (4403, "The credential has expired.")


async def test_a_shutdown_closes_with_1012() -> None:
    service = Service()
    async with client(service) as ws:
        await ws.init()
        await ws.subscribe("1", "subscription { silence }")

        service.shutdown.set()

        assert (await ws.closed())[0] == 1012


async def test_operations_of_a_socket_are_capped() -> None:
    async with client(short(operations_per_socket=2)) as ws:
        await ws.init()
        for key in "12":
            await ws.subscribe(key, "subscription { silence }")

        await ws.subscribe("3", "{ hello }")

        message = await ws.receive()
        assert (message["id"], message["type"]) == ("3", "error")
        assert message["payload"][0]["extensions"]["code"] == "RATE_LIMITED"


async def test_sockets_of_an_address_are_capped_and_room_comes_back() -> None:
    service = short(sockets_per_address=1)
    async with serving(service.app) as address:
        url = f"ws://{address}/graphql"
        async with connect(url, subprotocols=[PROTOCOL]):
            with pytest.raises(InvalidStatus) as refused:
                await connect(url, subprotocols=[PROTOCOL])
        await eventually(lambda: service.endpoint.websocket.by_address["127.0.0.1"] == 0)

        async with connect(url, subprotocols=[PROTOCOL]):
            pass

    assert refused.value.response.status_code == 429


async def test_sockets_of_a_key_are_capped() -> None:
    async with serving(short(sockets_per_key=1).app) as address:
        url = f"ws://{address}/graphql"
        async with (
            connect(url, subprotocols=[PROTOCOL]) as first,
            connect(url, subprotocols=[PROTOCOL]) as second,
        ):
            await Client(first).init()

            await second.send(json.dumps({"type": "connection_init", "payload": {"X-API-Key": KEY}}))

            assert (await Client(second).closed())[0] == 1013


@pytest.mark.parametrize(
    ("origin", "accepted"),
    [
        ("https://evil.example", False),
        ("null", False),
        ("http://{address}", True),
        ("https://app.example:443", True),
    ],
)
async def test_only_allowed_pages_open_sockets(origin: str, accepted: bool) -> None:
    async with serving(short(allowed_origins=("https://app.example",)).app) as address:
        opening = connect(
            f"ws://{address}/graphql",
            subprotocols=[PROTOCOL],
            additional_headers={"Origin": origin.format(address=address)},
        )
        if accepted:
            await (await opening).close()
        else:
            with pytest.raises(InvalidStatus) as refused:
                await opening
            assert refused.value.response.status_code == 403


async def test_a_message_over_the_limit_closes_with_1009() -> None:
    async with client(short(max_body=1000)) as ws:
        await ws.send({"type": "ping", "payload": {"x": "y" * 1000}})

        assert (await ws.closed())[0] == 1009
