"""Following a text over a WebSocket, as a client does that comes back after each cut."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from tests.system.processes import Server

PROTOCOL = Subprotocol("graphql-transport-ws")
TEXT = """subscription ($id: ID!, $after: Int!) {
  tokens(predictionId: $id, after: $after) {
    __typename sequence
    ... on TokenEvent { text }
    ... on StreamSnapshot { text }
    ... on StreamEnd { prediction { status error { code retryable } output { ... on TextOutput { text } } } }
  }
}"""


class NotNowError(Exception):
    """The server says that it can not answer now, and may be asked again."""


class Follower:
    """What a client has of a text: what it showed so far, and the end when there was one."""

    def __init__(self, prediction_id: str) -> None:
        self.prediction_id = prediction_id
        self.text = ""
        self.last = 0
        self.cuts = 0
        self.end: dict[str, Any] | None = None

    async def follow(self, *servers: Server, events_each: int | None = None) -> None:
        """Follows to the end, from one server after the other, cut off after some events of each."""
        turn = 0
        while self.end is None:
            try:
                await self._connect(servers[turn % len(servers)], events_each)
            except (ConnectionClosed, InvalidHandshake, NotNowError, OSError):
                await asyncio.sleep(0.2)
            turn += 1
            self.cuts += self.end is None

    async def _connect(self, server: Server, most: int | None) -> None:
        # A bounded queue that is full keeps this client from reading the answer to its own close.
        async with connect(server.socket_url, subprotocols=[PROTOCOL], max_queue=None) as socket:
            credential = {"Authorization": f"Bearer {server.key}"}
            await socket.send(json.dumps({"type": "connection_init", "payload": credential}))
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            variables = {"id": self.prediction_id, "after": self.last}
            payload = {"query": TEXT, "variables": variables}
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
            seen = 0
            while self.end is None and (most is None or seen < most):
                message = json.loads(await socket.recv())
                if message["type"] == "complete":
                    return  # no end yet: the writer is gone, and nobody has taken over so far
                errors = message["payload"] if message["type"] == "error" else []
                if errors and all(each["extensions"]["retryable"] for each in errors):
                    raise NotNowError
                assert message["type"] == "next", message
                self._take(message["payload"]["data"]["tokens"])
                seen += 1

    def _take(self, event: dict[str, Any]) -> None:
        if event["__typename"] == "StreamSnapshot":
            assert event["sequence"] > self.last
            self.text = event["text"]
        else:
            assert event["sequence"] == self.last + 1, "a gap or a duplicate"
        self.last = event["sequence"]
        if event["__typename"] == "TokenEvent":
            self.text += event["text"]
        elif event["__typename"] == "StreamEnd":
            self.end = event["prediction"]
