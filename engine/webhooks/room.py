"""Room: how many deliveries run at once, in all and to one host: a slow receiver delays its own only."""

from __future__ import annotations

import asyncio
from collections import Counter

AT_ONCE = 100
PER_HOST = 10


class Room:
    """Places for deliveries; nobody waits for one, who finds none looks again when one is free."""

    def __init__(self, at_once: int = AT_ONCE, per_host: int = PER_HOST) -> None:
        self._at_once = at_once
        self._per_host = per_host
        self._hosts: Counter[str] = Counter()
        self._wanted = asyncio.Event()

    @property
    def free(self) -> int:
        """How many more may begin."""
        return self._at_once - self._hosts.total()

    def full_hosts(self) -> list[str]:
        """Returns the hosts that get no more for now."""
        return [host for host, running in self._hosts.items() if running >= self._per_host]

    def enter(self, host: str) -> bool:
        """Takes a place for a delivery to a host; returns whether there was one."""
        if self.free <= 0 or self._hosts[host] >= self._per_host:
            return False
        self._hosts[host] += 1
        return True

    def leave(self, host: str) -> None:
        """Gives a place back."""
        if self.free <= 0 or self._hosts[host] >= self._per_host:
            self._wanted.set()
        self._hosts[host] -= 1
        if not self._hosts[host]:
            del self._hosts[host]

    async def freed(self, seconds: float) -> None:
        """Returns when a place was given back where there was none, after some seconds at the latest."""
        try:
            async with asyncio.timeout(seconds):
                await self._wanted.wait()
        except TimeoutError:
            return
        self._wanted.clear()
