"""Bus: how those who watch learn of what happens, in this process or another.

It carries what may be lost: whoever needs to be sure asks the database. Two kinds of things travel:

- **streams**, numbered text that one writer appends to and any number of readers follow from any
  place: replay first, then live, then the end;
- **topics**, of which only the latest message matters: a reader that is slow skips to it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from engine.backends.base import Token
from engine.events import StreamEvent

NOTHING: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class BusState:
    """How a bus is: what is wrong with it now, and how far it is behind."""

    problem: str | None = None
    unsent: int = 0
    """Messages that other processes have not been sent yet."""
    lag_seconds: float = 0.0
    """How old the latest message was when it was read, by the clocks of Redis and of this process."""


class Watcher(Protocol):
    """Somebody who wants to know the latest message of a topic."""

    async def next(self, seconds: float) -> Any:
        """Returns the message that came since the last call, the latest if there were several.

        Waits for one up to so many seconds, then returns None; so it does when the bus closes.
        """


class Bus(Protocol):
    """Carries streams and topics."""

    async def open(self) -> None:
        """Starts listening."""

    def begin(self, stream: str) -> None:
        """Tells that this process is to write a stream: its readers here wait for the first piece of it."""

    def append(self, stream: str, tokens: Sequence[Token]) -> int:
        """Adds tokens to a stream of this process as one numbered piece, and returns its number.

        A bus that is down for a while delays other processes; it never fails or slows the writer.
        """

    def is_followed(self, stream: str) -> bool:
        """Tells whether somebody in this process follows a stream of this process now."""

    def end(self, stream: str, shared: Mapping[Any, Any] = NOTHING) -> int:
        """Ends a stream of this process, and returns the number of the end.

        `shared` is what those who come to the end here need not find out: see `End`.
        """

    def leave(self, stream: str) -> None:
        """Takes back that a stream was begun here, if nothing was written to it: another process may."""

    def follow(self, stream: str, after: int) -> AsyncGenerator[StreamEvent, None]:
        """Yields what a stream holds after a number, then what comes, up to and with its end.

        No number is left out and none comes twice. A reader for whom pieces are missing, because it
        came late or reads slowly, gets one `Snapshot` instead. A stream that this process did not begin
        and nobody ever wrote to, or that is forgotten, ends at once without an `End`; so it does every few
        seconds for one of the readers of a silent stream, who is to look elsewhere whether it is over.
        """

    def abandon(self, stream: str) -> None:
        """Ends a stream for the readers in this process, without an `End`: it is known to be over."""

    def announce(self, topic: str, message: Any) -> None:
        """Tells the watchers of a topic its latest message, any JSON value."""

    def watch(self, topic: str) -> AbstractContextManager[Watcher]:
        """Watches a topic from now on, for as long as the context lasts."""

    def state(self) -> BusState:
        """Returns how the bus is now."""

    async def close(self) -> None:
        """Stops listening; every follower ends and no watcher hears anything more."""
