"""TextStream: hands a generation's tokens to the bus, one by one or, under load, some together."""

from __future__ import annotations

import asyncio
import time
from typing import ClassVar

from engine.backends.base import Token
from engine.bus.base import Bus

GATHER_TIMES = 10
"""How many times as long as handing on a piece takes, tokens are gathered for the next one."""
GATHER_MOST_SECONDS = 0.5
LIGHT_SECONDS = 0.002
"""A turn of the event loop that takes no longer delays nobody."""


class TextStream:
    """The text of one generation, as far as it has come.

    Tokens that come within one turn of the event loop make one piece. Under load, when a piece takes a while
    until all that read it have it, those of up to half a second make one: the time for each piece
    is then spent once for some tokens rather than for every one.
    """

    _last_turn_seconds: ClassVar[float] = 0.0
    """How long it took the last stream of this process: where the next one begins."""

    def __init__(self, bus: Bus, name: str, *, told: asyncio.Future[None] | None = None) -> None:
        self._bus = bus
        self._told = told
        self._name = name
        self._pending: list[Token] = []
        self._flush: asyncio.Handle | None = None
        self._is_closed = False
        self._flushed = 0.0
        self._turn_seconds = TextStream._last_turn_seconds
        """How long it takes now until all who read a piece have it, and what else the loop does meanwhile."""
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
        self._texts.append(token.text)
        self._pending.append(token)
        if self._flush is None:
            self._flush = self._later()

    def rest(self) -> float:
        """Returns for how many seconds a source that keeps what comes need not be read.

        That is how long those who follow it would not be told; 0 while a caller waits for the end, until
        `told` is done.
        """
        is_awaited = self._told is not None and not self._told.done()
        return self._gathering() if not is_awaited and self._bus.is_followed(self._name) else 0.0

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
            loop = asyncio.get_running_loop()
            # in the next turn the readers take it, in the one after it what they send leaves
            loop.call_soon(loop.call_soon, self._handed_on, self._flushed)

    def close(self) -> None:
        """Numbers the rest, and publishes it; under load by a `flush`, with the end, if that comes soon."""
        if self._is_closed:
            return
        self._is_closed, gathering = True, self._gathering()
        if self._flush is not None and self.last_sequence and gathering:
            self._flush.cancel()
            self._flush = asyncio.get_running_loop().call_later(gathering, self.flush)
            self.last_sequence += 1
        else:
            self.flush()

    def _later(self) -> asyncio.Handle:
        loop = asyncio.get_running_loop()
        wait = self._flushed + self._gathering() - time.monotonic()
        return loop.call_later(wait, self.flush) if wait > 0 else loop.call_soon(self.flush)

    def _gathering(self) -> float:
        """Returns for how many seconds tokens are gathered now."""
        turn = self._turn_seconds
        return min(GATHER_TIMES * turn, GATHER_MOST_SECONDS) if turn > LIGHT_SECONDS else 0.0

    def _handed_on(self, since: float) -> None:
        """Takes note of how long it took until all readers had their turn, smoothed over some pieces."""
        self._turn_seconds += (time.monotonic() - since - self._turn_seconds) / 2
        TextStream._last_turn_seconds = self._turn_seconds
