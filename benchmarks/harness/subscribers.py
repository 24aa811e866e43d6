"""Clients that follow a text and cost little: GraphQL over WebSocket and over SSE, and a bare WebSocket."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import Sequence
from typing import Any

import orjson

from benchmarks.harness.load import request
from benchmarks.harness.questions import graphql

FOLLOW = """subscription Follow($id: ID!) {
  tokens(predictionId: $id) { sequence ... on TokenEvent { text } ... on StreamSnapshot { text } }
}"""
AT_ONCE = 50
"""Connections that are made at once: a server's backlog has an end."""
OPEN_SECONDS, FOLLOW_SECONDS = 60.0, 120.0


class Subscriber(asyncio.Protocol):
    """Follows one text, from its first token on."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.begun: asyncio.Future[None] = loop.create_future()
        """Done with the first token, or with what `ready` waits for."""
        self.done: asyncio.Future[None] = loop.create_future()
        self.text = ""
        self.messages = 0
        self._buffer = b""
        self._head_read = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.opening())

    def opening(self) -> bytes:
        """Returns what is sent first."""
        raise NotImplementedError

    def connection_lost(self, exc: Exception | None) -> None:
        problem = exc or ConnectionError(f"closed: {self._buffer[:300]!r}")
        for future in (self.begun, self.done):
            if not future.done():
                future.set_exception(problem)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._head_read:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            if self._buffer[9:10] not in b"12":
                self.transport.close()
                return
            self._head_read, self._buffer = True, self._buffer[end + 4 :]
            self.opened()
        self.read()

    def opened(self) -> None:
        """Called when the server has answered the request."""

    def read(self) -> None:
        """Takes what is whole out of the buffer."""
        raise NotImplementedError

    def take(self, shown: Any) -> None:
        """Takes an event's data."""
        if "errors" in shown:
            raise RuntimeError(shown["errors"])
        event = shown["data"]["tokens"]
        if event.get("text"):
            self.add(event["text"])

    def add(self, text: str) -> None:
        """Takes a piece of the text."""
        self.text += text
        self.messages += 1
        if not self.begun.done():
            self.begun.set_result(None)

    def finish(self) -> None:
        """Ends well."""
        self.done.set_result(None)
        self.transport.close()

    def leave(self) -> None:
        """Ends before the text does."""
        self.done.cancel()
        self.transport.close()


class RawSocket(Subscriber):
    """A bare WebSocket: a frame for each token, which the server closes at the end."""

    protocol: str | None = None

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def opening(self) -> bytes:
        """See `Subscriber`."""
        key = base64.b64encode(bytes(16)).decode()
        asked = f"\r\nSec-WebSocket-Protocol: {self.protocol}" if self.protocol else ""
        return (
            f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}{asked}\r\n\r\n"
        ).encode()

    def read(self) -> None:
        """See `Subscriber`."""
        buffer, place = self._buffer, 0
        while len(buffer) - place >= 2:
            opcode, length, start = buffer[place] & 15, buffer[place + 1], place + 2
            if length == 126:
                start += 2
                length = int.from_bytes(buffer[place + 2 : start])
            elif length == 127:
                start += 8
                length = int.from_bytes(buffer[place + 2 : start])
            if len(buffer) < start + length:
                break
            place = start + length
            self.frame(opcode, buffer[start:place])
        self._buffer = buffer[place:]

    def frame(self, opcode: int, payload: bytes) -> None:
        """Takes a frame."""
        if opcode == 1:
            self.add(orjson.loads(payload)["text"])
        elif opcode == 8 and not self.done.done():
            self.finish()

    def send(self, message: Any) -> None:
        """Sends a text, masked with zeros."""
        data = orjson.dumps(message)
        size = bytes([128 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
        self.transport.write(b"\x81" + size + bytes(4) + data)


class GraphQLSocket(RawSocket):
    """One subscription on a WebSocket of its own, by graphql-transport-ws."""

    protocol = "graphql-transport-ws"

    def __init__(self, text: str, key: str | None = None, query: str = FOLLOW) -> None:
        super().__init__("/graphql")
        self._key, self._asked = key, {"query": query, "variables": {"id": text}}

    def opened(self) -> None:
        """See `Subscriber`."""
        self.send({"type": "connection_init", "payload": {"Authorization": f"Bearer {self._key}"}})

    def frame(self, opcode: int, payload: bytes) -> None:
        """See `RawSocket`."""
        if opcode == 8:
            self._buffer = payload
            self.transport.close()
        if opcode == 9:
            self.transport.write(b"\x8a" + bytes([128 | len(payload)]) + bytes(4) + payload)
        if opcode != 1:
            return
        message = orjson.loads(payload)
        match message["type"]:
            case "next":
                self.take(message["payload"])
            case "connection_ack":
                self.send({"id": "1", "type": "subscribe", "payload": self._asked})
            case "ping":
                self.send({"type": "pong"})
            case "complete":
                self.finish()
            case "error":
                raise RuntimeError(message)


class EventStream(Subscriber):
    """One subscription over Server-Sent Events."""

    def __init__(self, text: str, key: str, query: str = FOLLOW) -> None:
        super().__init__()
        headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
        self._request = request("/graphql", graphql(query, {"id": text}), headers)

    def opening(self) -> bytes:
        """See `Subscriber`."""
        return self._request

    def read(self) -> None:
        """See `Subscriber`: an event comes in a chunk of its own."""
        buffer, place = self._buffer, 0
        while (line := buffer.find(b"\r\n", place)) >= 0:
            end = line + 2 + int(buffer[place:line], 16)
            if len(buffer) < end + 2:
                break
            event = buffer[line + 2 : end]
            place = end + 2
            if event.startswith(b"event: next\ndata: "):
                self.take(orjson.loads(event[18:]))
            elif event.startswith(b"event: complete"):
                self.finish()
        self._buffer = buffer[place:]


async def connect(port: int, subscribers: Sequence[Subscriber]) -> None:
    """Connects all, and returns when each has its first token."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(subscriber: Subscriber) -> None:
        async with room:
            await asyncio.get_running_loop().create_connection(lambda: subscriber, "127.0.0.1", port)
            await subscriber.begun

    await asyncio.wait_for(asyncio.gather(*map(one, subscribers)), OPEN_SECONDS)


async def finished(subscribers: Sequence[Subscriber]) -> None:
    """Returns when all have all of their text."""
    await asyncio.wait_for(asyncio.gather(*(each.done for each in subscribers)), FOLLOW_SECONDS)
