"""A client of the endpoint's WebSocket, which sees every message and close code."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from foretell.graphql import TransportOptions
from tests.foretell.graphql_service import KEY, Service, serving

PROTOCOL = Subprotocol("graphql-transport-ws")


class Client:
    """A socket and its messages, decoded."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, message: Any) -> None:
        await self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            message: dict[str, Any] = json.loads(await self.socket.recv())
            return message

    async def closed(self) -> tuple[int, str]:
        """The close code and reason; other messages before it are a failure."""
        with pytest.raises(ConnectionClosed):
            pytest.fail(str(await self.receive()))
        assert self.socket.close_code is not None
        return self.socket.close_code, self.socket.close_reason or ""

    async def init(self, key: str = KEY) -> Client:
        await self.send({"type": "connection_init", "payload": {"Authorization": f"Bearer {key}"}})
        assert await self.receive() == {"type": "connection_ack"}
        return self

    async def subscribe(self, key: str, query: str, **more: Any) -> None:
        await self.send({"type": "subscribe", "id": key, "payload": {"query": query, **more}})


@asynccontextmanager
async def client(
    service: Service, protocols: Sequence[Subprotocol] | None = (PROTOCOL,), **headers: str
) -> AsyncIterator[Client]:
    async with (
        serving(service.app) as address,
        connect(
            f"ws://{address}/graphql",
            subprotocols=protocols,
            additional_headers=headers,
        ) as socket,
    ):
        yield Client(socket)


def short(**options: Any) -> Service:
    return Service(options={"options": TransportOptions(**options)})


async def eventually(check: Any) -> None:
    async with asyncio.timeout(5):
        while not check():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.01)
