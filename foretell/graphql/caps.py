"""How many connections one address and one key hold open, sockets and event streams together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from foretell.graphql.requests import Refused


class ConnectionCap:
    """Counts the open connections of each holder, in this process."""

    def __init__(self, limit: int, what: str) -> None:
        self.limit = limit
        self.what = what
        self._open: Counter[str] = Counter()

    def require_room(self, holder: str) -> None:
        """Return when the holder may have one more. Raises Refused (429)."""
        if self[holder] >= self.limit:
            raise Refused(
                f"More than {self.limit} connections with this {self.what}.",
                code="RATE_LIMITED",
                status=429,
                headers={"Retry-After": "5"},
            )

    @contextmanager
    def held(self, holder: str) -> Iterator[None]:
        """Count one connection while it is open."""
        self._open[holder] += 1
        try:
            yield
        finally:
            self._open[holder] -= 1
            if not self._open[holder]:
                del self._open[holder]  # or the addresses of a scan would stay for ever

    @property
    def total(self) -> int:
        """How many connections all holders have open."""
        return self._open.total()

    def __getitem__(self, holder: str) -> int:
        return self._open.get(holder, 0)
