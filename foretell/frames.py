"""SocketConnection: WebSockets by uvicorn, whose messages leave in the shortest way.

uvicorn makes each a frame by objects and buffers of `websockets`, which takes some ten times as long as to
write its two to ten bytes of header; for a token that many follow, that is much of what it costs.
"""

from __future__ import annotations

import struct
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

TEXT = 0x81
"""The first byte of a frame that is a whole text."""


class SocketConnection(WebSocketsSansIOProtocol):
    """Serves a connection. Nothing is compressed: see `foretell.server`."""

    async def send(self, message: Any) -> None:
        """See uvicorn's; a text goes out at once where nothing stands in its way."""
        text = message.get("text")
        is_free = self.conn.state is State.OPEN and self.writable.is_set() and not self.disconnected
        if text is not None and is_free:
            data = text.encode()
            self.transport.write(_header(len(data)) + data)
        else:
            await super().send(message)


def _header(size: int) -> bytes:
    """Returns what comes before a text of so many bytes, https://www.rfc-editor.org/rfc/rfc6455#section-5.2."""
    if size < 126:
        return bytes((TEXT, size))
    if size < 65536:
        return struct.pack("!BBH", TEXT, 126, size)
    return struct.pack("!BBQ", TEXT, 127, size)
