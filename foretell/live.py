"""Live: follows a subscription of a running server over WebSocket, for the command line."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from foretell.client import ClientError, unanswered

PROTOCOL = Subprotocol("graphql-transport-ws")
FIRST_TRIES, TRIES = 10, 300
"""How often a server is tried in a row that never answered, and one that has: it may be starting again."""
RETRY_SECONDS = 1.0


def follow(url: str, key: str, document: str, variables: dict[str, Any]) -> Iterator[Any]:
    """Yields the data of each event up to the end; starts again after a connection that was cut.

    So it is for subscriptions that begin with what is so now.

    Raises:
        ClientError: the server refuses, or does not answer: for ten seconds, or for five
            minutes once it has answered.
    """
    failures, tries = 0, FIRST_TRIES
    while True:
        try:
            with connect(_socket_url(url), subprotocols=[PROTOCOL]) as socket:
                _begin(socket, key, document, variables)
                for data in _events(socket):
                    failures, tries = 0, TRIES
                    yield data
                return
        except InvalidURI as error:
            raise ClientError(f"{url} is no address of a server") from error
        except (OSError, ConnectionClosed, InvalidHandshake) as error:
            _raise_refusal(url, error)
            failures += 1
            if failures > tries:
                raise ClientError(unanswered(url, error)) from error
            time.sleep(RETRY_SECONDS)


def _socket_url(url: str) -> str:
    return f"{url.rstrip('/').replace('http', 'ws', 1)}/graphql"


def _raise_refusal(url: str, error: Exception) -> None:
    """Returns unless the server closed the socket because of what it was sent."""
    closed = error.rcvd if isinstance(error, ConnectionClosed) else None
    if closed is not None and 4400 <= closed.code < 4500:
        raise ClientError(f"{url} refuses: {closed.reason or closed.code}") from error


def _begin(socket: ClientConnection, key: str, document: str, variables: dict[str, Any]) -> None:
    payload = {"Authorization": f"Bearer {key}"} if key else {}
    socket.send(json.dumps({"type": "connection_init", "payload": payload}))
    message = json.loads(socket.recv())
    if message["type"] != "connection_ack":
        raise ClientError(f"The server answered {message['type']}.")
    asked = {"query": document, "variables": variables}
    socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": asked}))


def _events(socket: ClientConnection) -> Iterator[Any]:
    while True:
        message = json.loads(socket.recv())
        if message["type"] == "complete":
            return
        if message["type"] == "error":
            raise ClientError("; ".join(error["message"] for error in message["payload"]))
        if message["type"] == "ping":
            socket.send(json.dumps({"type": "pong"}))
        elif message["type"] == "next":
            errors = message["payload"].get("errors")
            if errors:
                raise ClientError("; ".join(error["message"] for error in errors))
            yield message["payload"]["data"]
