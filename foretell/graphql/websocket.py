"""GraphQL over WebSocket: the protocol graphql-transport-ws.

Here sockets are let in; `socket.py` speaks the protocol,
https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from foretell.graphql.caps import ConnectionCap
from foretell.graphql.endings import Endings
from foretell.graphql.operations import Operations
from foretell.graphql.options import TransportOptions
from foretell.graphql.origins import require_clean_url, require_origin
from foretell.graphql.requests import Refused
from foretell.graphql.socket import Socket

SUBPROTOCOL = "graphql-transport-ws"

SUBPROTOCOL_NOT_ACCEPTABLE = 4406


@dataclass(frozen=True, slots=True)
class WebSocketTransport:
    """Accepts sockets and serves each until it ends."""

    operations: Operations
    options: TransportOptions
    endings: Endings
    by_address: ConnectionCap
    by_key: ConnectionCap

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket, as an ASGI application."""
        websocket = WebSocket(scope, receive, send)
        address = websocket.client.host if websocket.client else ""
        try:
            require_origin(websocket.headers, self.options.allowed_origins)
            require_clean_url(websocket.query_params)
            self.by_address.require_room(address)
        except Refused as refused:
            await _deny(websocket, refused)
            return
        with self.by_address.held(address):
            if SUBPROTOCOL not in websocket.scope["subprotocols"]:
                await websocket.accept()
                await websocket.close(SUBPROTOCOL_NOT_ACCEPTABLE, f"Speak {SUBPROTOCOL}.")
                return
            await websocket.accept(SUBPROTOCOL)
            services = self.operations, self.options, self.endings, self.by_key
            await Socket(websocket, address, *services).serve()


async def _deny(websocket: WebSocket, refused: Refused) -> None:
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(
            Response(str(refused), refused.status, dict(refused.headers), "text/plain")
        )
    else:
        await websocket.close()
