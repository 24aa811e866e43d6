"""SocketConnection: WebSockets by uvicorn, whose messages leave in the shortest way.

uvicorn makes each a frame by objects and buffers of `websockets`, which takes some ten times as long as to
write its two to ten bytes of header; for a token that many follow, that is much of what it costs. As much
again is the system call, of which messages of one turn of the event loop share one.
"""

from __future__ import annotations

import struct
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

TEXT = 0x81
"""The first byte of a frame that is a whole text."""
MOST_UNSENT_BYTES = 64 * 1024
"""With as much it is written at once, which tells when the client does not keep up."""


class SocketConnection(WebSocketsSansIOProtocol):
    """Serves a connection. Nothing is compressed: see `foretell.server`."""

    _unsent: bytes = b""
    """The frames of this turn of the event loop."""

    async def send(self, message: Any) -> None:
        """See uvicorn's; a text leaves with this turn where nothing stands in its way."""
        text = message.get("text")
        is_free = self.conn.state is State.OPEN and self.writable.is_set() and not self.disconnected
        if text is not None and is_free:
            data = text.encode()
            if not self._unsent:
                self.loop.call_soon(self._write)
            self._unsent += _header(len(data)) + data
            if len(self._unsent) > MOST_UNSENT_BYTES:
                self._write()
        else:
            self._write()
            await super().send(message)

    def shutdown(self) -> None:
        """See uvicorn's."""
        self._write()
        super().shutdown()

    def _write(self) -> None:
        """Writes what was not written yet, unless a frame that closes the socket has gone before it."""
        unsent, self._unsent = self._unsent, b""
        if unsent and self.conn.state is State.OPEN:
            self.transport.write(unsent)


def _header(size: int) -> bytes:
    """Returns what comes before a text of so many bytes, https://www.rfc-editor.org/rfc/rfc6455#section-5.2."""
    if size < 126:
        return bytes((TEXT, size))
    if size < 65536:
        return struct.pack("!BBH", TEXT, 126, size)
    return struct.pack("!BBQ", TEXT, 127, size)
