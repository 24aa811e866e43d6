"""The frames that messages leave in, read by somebody else's client."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import connect

from tests.foretell.graphql_service import serving


class Echo:
    """An application that sends back what it is sent, and what came of sending after the end."""

    problem: BaseException | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send(
                {"type": "websocket.send", **{name: message[name] for name in message if name != "type"}}
            )
        try:
            await send({"type": "websocket.send", "text": "late"})
        except OSError as error:
            self.problem = error


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 200_000])
async def test_a_text_of_any_length_arrives(size: int) -> None:
    async with serving(Echo()) as address, connect(f"ws://{address}/") as socket:
        for text in ("x" * size, "é" * (size // 2)):
            await socket.send(text)
            assert await socket.recv() == text


async def test_bytes_arrive_as_bytes() -> None:
    async with serving(Echo()) as address, connect(f"ws://{address}/") as socket:
        await socket.send(b"some")

        assert await socket.recv() == b"some"


async def test_nothing_is_compressed_for_a_client_that_would_take_it() -> None:
    async with serving(Echo()) as address, connect(f"ws://{address}/", compression="deflate") as socket:
        assert socket.protocol.extensions == []


@pytest.mark.parametrize("how", ["closed", "aborted"])
async def test_sending_to_a_client_that_has_left_fails(how: str) -> None:
    echo = Echo()
    async with serving(echo) as address:
        socket = await connect(f"ws://{address}/")
        if how == "closed":
            await socket.close()
        else:
            socket.transport.abort()
        async with asyncio.timeout(5):
            while echo.problem is None:  # noqa: ASYNC110  # what is waited for has no event
                await asyncio.sleep(0.01)
