"""The frames that messages leave in, read by somebody else's client."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from foretell.frames import SocketConnection
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


class Talker:
    """An application that says some texts at once."""

    def __init__(self, *texts: str, close: bool = False) -> None:
        self.texts, self.close = texts, close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for text in self.texts:
            await send({"type": "websocket.send", "text": text})
        if self.close:
            await send({"type": "websocket.close", "code": 4400})
        while (await receive())["type"] != "websocket.disconnect":
            pass


async def test_texts_of_one_turn_share_a_write(monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[bytes] = []
    write = SocketConnection._write

    def noted(self: SocketConnection) -> None:
        writes.append(self._unsent)
        write(self)

    monkeypatch.setattr(SocketConnection, "_write", noted)
    async with serving(Talker("a", "b", "c")) as address, connect(f"ws://{address}/") as socket:
        assert [await socket.recv() for _ in range(3)] == ["a", "b", "c"]

    assert b"\x81\x01a\x81\x01b\x81\x01c" in writes


async def test_texts_leave_before_the_socket_is_closed() -> None:
    async with serving(Talker("a", "b", close=True)) as address, connect(f"ws://{address}/") as socket:
        assert [await socket.recv() for _ in range(2)] == ["a", "b"]
        with pytest.raises(ConnectionClosedError):
            await socket.recv()

        assert socket.close_code == 4400


async def test_much_at_once_arrives_in_order() -> None:
    texts = [f"{number}" * 20_000 for number in range(50)]

    async with serving(Talker(*texts)) as address, connect(f"ws://{address}/") as socket:
        assert [await socket.recv() for _ in texts] == texts


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
