"""Time under control: what resolvers wait for is released one by one, whenever nothing else can happen.

Two executors that await the same things in the same situations get them released in the same order, so their
results can be compared exactly: errors in order, calls, loader batches, cancellations.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar
from zlib import crc32

T = TypeVar("T")


class Conductor:
    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._waiting: dict[tuple[str, int], asyncio.Future[None]] = {}
        self._loading: dict[str, tuple[asyncio.Future[Any], Any]] = {}
        self._seen: Counter[str] = Counter()
        self.released: list[str] = []
        self.batches: list[list[str]] = []

    async def pause(self, name: str) -> None:
        """Waits until it is the turn of the name (of its first, second, ... pause)."""
        self._seen[name] += 1
        future = asyncio.get_running_loop().create_future()
        self._waiting[name, self._seen[name]] = future
        await future

    def load(self, key: str, value: Any) -> asyncio.Future[Any]:
        """A loader: all keys that were asked for while something else could happen make one batch."""
        if key not in self._loading:
            self._loading[key] = asyncio.get_running_loop().create_future(), value
        return self._loading[key][0]

    async def run(self, operation: Coroutine[Any, Any, T]) -> T:
        """Runs the operation to its end, and after it whatever it has left behind."""
        task = asyncio.create_task(operation)
        await _until_idle()
        while self._release_one():
            await _until_idle()
        return await task

    def _release_one(self) -> bool:
        return self._release_batch() or self._release_pause()

    def _release_batch(self) -> bool:
        """Like a real loader it loads what was asked for, whether or not anybody still waits for it."""
        loaded = {key for batch in self.batches for key in batch}
        batch = sorted(self._loading.keys() - loaded)
        if batch:
            self.batches.append(batch)
        for future, value in map(self._loading.__getitem__, batch):
            if future.done():
                continue
            if isinstance(value, Exception):
                future.set_exception(value)
            else:
                future.set_result(value)
        return bool(batch)

    def _release_pause(self) -> bool:
        waiting = {key: future for key, future in self._waiting.items() if not future.done()}
        self._waiting = waiting
        if not waiting:
            return False
        key = min(waiting, key=lambda each: (crc32(f"{self._seed}{each}".encode()), each))
        waiting.pop(key).set_result(None)
        self.released.append(key[0])
        return True


class Later:
    """An awaitable that is no coroutine: it may be dropped without a warning."""

    def __init__(self, conductor: Conductor, name: str, value: object) -> None:
        self._conductor = conductor
        self._name = name
        self._value = value

    def __await__(self) -> Generator[Any, Any, object]:
        yield from self._conductor.pause(self._name).__await__()
        if isinstance(self._value, Exception):
            raise self._value
        return self._value


async def _until_idle() -> None:
    """Returns when no callback is ready: everybody waits for somebody."""
    loop: Any = asyncio.get_running_loop()
    for _ in range(10_000):
        await asyncio.sleep(0)
        if not loop._ready:
            return
    raise AssertionError("the loop never comes to rest")
