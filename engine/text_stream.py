"""TextStream: hands a generation's tokens to the bus, one by one or, under load, some together."""

from __future__ import annotations

import asyncio
import time

from engine.backends.base import Token
from engine.bus.base import Bus

GATHER_SECONDS = 0.02
GATHER_ABOVE = 64


class TextStream:
    """The text of one generation, as far as it has come.

    Tokens that come within one turn of the event loop make one piece. While a process writes more
    than 64 streams at once each of them makes at most 50 pieces a second.
    """

    _open = 0

    def __init__(self, bus: Bus, name: str) -> None:
        self._bus = bus
        self._name = name
        self._pending: list[Token] = []
        self._flush: asyncio.Handle | None = None
        self._flushed = 0.0
        self._texts: list[str] = []
        self.last_sequence = 0
        self.first_at: float | None = None

    @property
    def text(self) -> str:
        """Everything generated so far."""
        return "".join(self._texts)

    def add(self, token: Token) -> None:
        """Takes the next token."""
        if self.first_at is None:
            self.first_at = time.perf_counter()
            TextStream._open += 1
        self._texts.append(token.text)
        self._pending.append(token)
        if self._flush is None:
            loop = asyncio.get_running_loop()
            wait = self._flushed + GATHER_SECONDS - time.monotonic()
            if TextStream._open > GATHER_ABOVE and wait > 0:
                self._flush = loop.call_later(wait, self.flush)
            else:
                self._flush = loop.call_soon(self.flush)

    def say(self, text: str) -> None:
        """Publishes a whole text that was there before."""
        if text:
            self.add(Token(text))
        self.close()

    def flush(self) -> None:
        """Publishes what was not published yet."""
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        if self._pending:
            self.last_sequence = self._bus.append(self._name, self._pending)
            self._pending = []
            self._flushed = time.monotonic()

    def close(self) -> None:
        """Publishes the rest; the end is published when the prediction is stored."""
        self.flush()
        if self.first_at is not None:
            TextStream._open -= 1
