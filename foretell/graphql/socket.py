"""One WebSocket: its handshake, its operations by their ids, its end.

The protocol is graphql-transport-ws, https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md. A frame
of which we can not tell the operation closes the socket with the protocol's code; what is wrong with one
operation is answered to that operation, and its neighbours go on.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack, aclosing, suppress
from dataclasses import replace
from typing import Any

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from db.errors import DatabaseUnavailableError
from engine import log_ids
from engine.values import Viewer
from foretell.graphql.caps import ConnectionCap
from foretell.graphql.endings import Ending, Endings
from foretell.graphql.operations import NO_CREDENTIAL, Operations, failure, payload, shared_data
from foretell.graphql.options import TransportOptions
from foretell.graphql.requests import OperationRequest, Refused
from foretell.graphql.session import Session, request_id

logger = logging.getLogger(__name__)

BAD_MESSAGE = 4400
UNAUTHORIZED = 4401
FORBIDDEN = 4403
INIT_TIMEOUT = 4408
ALREADY_EXISTS = 4409
TOO_MANY_INITS = 4429
INTERNAL_ERROR = 4500
TOO_BIG = 1009
RESTART = 1012
TRY_AGAIN_LATER = 1013

ENDING_CODES = {Ending.SHUTDOWN: RESTART, Ending.REVOKED: FORBIDDEN, Ending.EXPIRED: FORBIDDEN}
"""graphql-ws connects again after 1012; after 4403 too, and then learns that its credential is no good."""


class Close(Exception):
    """The socket is to be closed, with a code and a reason; a frame has room for 123 bytes of ASCII."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = ascii(reason)[1:-1][:123]


class Gone(Exception):
    """The client has closed the socket, or we have."""


class Socket:
    """Serves one accepted socket."""

    def __init__(
        self,
        websocket: WebSocket,
        address: str,
        operations: Operations,
        options: TransportOptions,
        endings: Endings,
        by_key: ConnectionCap,
    ) -> None:
        self.websocket = websocket
        self.operations = operations
        self.options = options
        self.endings = endings
        self.by_key = by_key
        self.session = Session(None, request_id(None), address, "websocket")
        self.initialised = False
        self.acknowledged = False
        self.running: dict[str, asyncio.Task[None]] = {}
        self.held = ExitStack()
        self.close: Close | None = None
        self.task: asyncio.Task[Any] | None = None

    async def serve(self) -> None:
        """Return when one side has closed; what runs is cancelled then, but mutations run to their end."""
        self.task = asyncio.current_task()
        timeout = asyncio.get_running_loop().call_later(self.options.init_timeout, self._init_timed_out)
        try:
            with self.held:
                await self._close(await self._read_until_end())
        finally:
            timeout.cancel()
            await _cancelled(*self.running.values())

    async def _read_until_end(self) -> Close | None:
        """Return why to close; None when the client has closed. We break the reading off to close."""
        assert self.task is not None
        try:
            close = await self._read()
        except asyncio.CancelledError:
            if self.close is None:
                raise
            self.task.uncancel()
        finally:
            self.task = None
        return self.close or close

    async def _close(self, close: Close | None) -> None:
        if close and self.websocket.application_state is WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect, RuntimeError, OSError):
                await self.websocket.close(close.code, close.reason)

    def _end(self, close: Close) -> None:
        """Close the socket, wherever its reader is."""
        if self.close is None and self.task is not None:
            self.close = close
            self.task.cancel()

    def _init_timed_out(self) -> None:
        if not self.initialised:
            self._end(Close(INIT_TIMEOUT, "Connection initialisation timeout"))

    def _ended(self, ending: Ending) -> None:
        self._end(Close(ENDING_CODES[ending], ending.value))

    async def _read(self) -> Close | None:
        """Handle messages until one closes the socket; return None when the client has closed it."""
        try:
            while (message := await self.websocket.receive())["type"] == "websocket.receive":
                await self._handle(self._decode(message.get("text")))
        except Close as close:
            return close
        except Gone:
            return None
        except DatabaseUnavailableError as error:
            logger.warning("the database can not be used: %s", error)
            return Close(TRY_AGAIN_LATER, "The database can not be used just now")
        except Exception:
            logger.exception("unexpected error on a socket", extra={"request_id": self.session.request_id})
            return Close(INTERNAL_ERROR, "Internal server error")
        return None

    def _decode(self, text: str | None) -> dict[str, Any]:
        if text is None:
            raise Close(BAD_MESSAGE, "Messages must be text")
        if len(text) > self.options.max_body:
            raise Close(TOO_BIG, f"Messages must be at most {self.options.max_body} bytes")
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise Close(BAD_MESSAGE, "Messages must be JSON") from None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise Close(BAD_MESSAGE, "Messages must be objects with a type")
        return message

    async def _handle(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "connection_init":
                await self._init(_object(message))
            case "ping":
                pong = {"type": "pong"}
                await self._send(pong | ({"payload": _object(message)} if message.get("payload") else {}))
            case "pong":
                _object(message)
            case "subscribe":
                await self._subscribe(_id(message), message.get("payload"))
            case "complete":
                task = self.running.pop(_id(message), None)
                if task:
                    task.cancel()
            case unknown:
                raise Close(BAD_MESSAGE, f"Unknown message type {unknown}")

    async def _init(self, parameters: dict[str, Any]) -> None:
        """Authenticate by the parameters as if they were headers, or by the headers of the handshake."""
        if self.initialised:
            raise Close(TOO_MANY_INITS, "Too many initialisation requests")
        self.initialised = True
        given = {key.lower(): value for key, value in parameters.items() if isinstance(value, str)}
        try:
            viewer = await self.operations.viewer({**self.websocket.headers, **given}, self.session.address)
        except Refused as refused:
            code = TRY_AGAIN_LATER if refused.status in (429, 503) else FORBIDDEN
            raise Close(code, str(refused)) from refused
        if viewer is None:
            raise Close(FORBIDDEN, NO_CREDENTIAL)
        self.session = replace(self.session, viewer=viewer)
        self._hold(viewer)
        self.acknowledged = True
        await self._send({"type": "connection_ack"})

    def _hold(self, viewer: Viewer) -> None:
        try:
            self.by_key.require_room(self.session.holder)
        except Refused as refused:
            raise Close(TRY_AGAIN_LATER, str(refused)) from refused
        self.held.enter_context(self.by_key.held(self.session.holder))
        self.held.enter_context(self.endings.telling(viewer, self._ended))

    async def _subscribe(self, key: str, body: Any) -> None:
        if not self.acknowledged:
            raise Close(UNAUTHORIZED, "Unauthorized")
        if key in self.running:
            raise Close(ALREADY_EXISTS, f"Subscriber for {key} already exists")
        session = self.session.operation()
        try:
            if len(self.running) >= self.options.operations_per_socket:
                text = f"More than {self.options.operations_per_socket} operations on this socket."
                raise Refused(text, code="RATE_LIMITED")
            asked = OperationRequest.parse(body)
        except Refused as refused:
            await self._send_errors(key, refused, session)
            return
        self.running[key] = asyncio.create_task(self._run(key, asked, session))

    async def _run(self, key: str, asked: OperationRequest, session: Session) -> None:
        log_ids.name(request_id=session.request_id)
        try:
            await self._answer(key, asked, session)
        except Gone:
            pass  # the reader knows it too
        except asyncio.CancelledError:
            session.left.set()
            raise
        except Exception as error:
            await self._send_errors(key, error, session)
        finally:
            self._release(key)

    async def _answer(self, key: str, asked: OperationRequest, session: Session) -> None:
        context = self.operations.make_context(session)
        begin = f'{{"id":{orjson.dumps(key).decode()},"type":"next","payload":{{"data":'
        text = await self.operations.text(asked, context.limits)
        async with aclosing(self.operations.stream(text, asked, context)) as results:
            async for result in results:
                if (shared := shared_data(result)) is not None:
                    await self._send_text(f"{begin}{shared}}}}}")
                    continue
                shown = payload(result, context)
                if "data" not in shown:
                    self._release(key)
                    await self._send({"id": key, "type": "error", "payload": shown["errors"]})
                    return
                await self._send({"id": key, "type": "next", "payload": shown})
        self._release(key)
        await self._send({"id": key, "type": "complete"})

    def _release(self, key: str) -> None:
        """Free the id before the last message is sent: the client may use it again at once."""
        if self.running.get(key) is asyncio.current_task():
            del self.running[key]

    async def _send_errors(self, key: str, error: Exception, session: Session) -> None:
        self._release(key)
        errors = failure(error, session.request_id)["errors"]
        with suppress(Gone):
            await self._send({"id": key, "type": "error", "payload": errors})

    async def _send(self, message: dict[str, Any]) -> None:
        await self._send_text(orjson.dumps(message).decode())

    async def _send_text(self, text: str) -> None:
        try:
            await self.websocket.send_text(text)
        except (WebSocketDisconnect, RuntimeError, OSError) as error:
            raise Gone from error


def _object(message: dict[str, Any]) -> dict[str, Any]:
    found = message.get("payload")
    if found is not None and not isinstance(found, dict):
        raise Close(BAD_MESSAGE, "The payload must be an object")
    return found or {}


def _id(message: dict[str, Any]) -> str:
    found = message.get("id")
    if not isinstance(found, str) or not found:
        raise Close(BAD_MESSAGE, "The message must have an id, a string")
    return found


async def _cancelled(*tasks: asyncio.Task[Any]) -> None:
    """Cancel the tasks and wait until each has cleaned up."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
