"""Board: where it stands which circuits are open, for one process or for all that share a Redis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Opened:
    """An open circuit: nothing is asked until a time, in seconds since 1970, at the end of a pause."""

    until: float
    pause: float


class Board(Protocol):
    """Keeps open circuits by the id of their version; one that is not there is closed."""

    async def run(self) -> None:
        """Listens to other processes, until it is cancelled."""

    def opened(self, version_id: str) -> Opened | None:
        """Returns an open circuit as this process knows it; costs nothing."""

    async def put(self, version_id: str, opened: Opened) -> None:
        """Opens a circuit, or opens it for longer; the others learn of it at once, if they can be told."""

    async def remove(self, version_id: str) -> None:
        """Closes a circuit."""

    async def probe(self, version_id: str, seconds: float) -> bool:
        """Tells whether it is the caller who tries an open circuit; others may after so many seconds."""

    async def end_probe(self, version_id: str) -> None:
        """Lets somebody else try."""

    async def close(self) -> None:
        """Lets go of everything."""
