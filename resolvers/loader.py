"""Loader: gathers what the resolvers of a level ask for, and fetches it together.

The idea, and the interface, are DataLoader's (https://github.com/graphql/dataloader). This one makes a task
for a batch only where the batch has to be waited for: what SQLite finds at once takes no longer than a task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Generic, TypeVar

MAX_BATCH = 500

Key = TypeVar("Key")
Value = TypeVar("Value")


class Loader(Generic[Key, Value]):
    """Loads values by their keys, each key once; a value that is an exception is raised.

    `fetch` returns the values of at most `MAX_BATCH` keys in their order. `at_once` may do the same without
    waiting, or return None.
    """

    __slots__ = ("_at_once", "_fetch", "_futures", "_loop", "_tasks", "_waiting")

    def __init__(
        self,
        fetch: Callable[[list[Key]], Coroutine[Any, Any, list[Value]]],
        at_once: Callable[[list[Key]], list[Value] | None] | None = None,
    ) -> None:
        self._fetch = fetch
        self._at_once = at_once
        self._loop = asyncio.get_running_loop()
        self._futures: dict[Key, asyncio.Future[Value]] = {}
        self._waiting: list[Key] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def load(self, key: Key) -> asyncio.Future[Value]:
        """Returns a future of a value. Whoever waits for the same shares it."""
        found = self._futures.get(key)
        if found is not None and not found.cancelled():
            return found
        future = self._futures[key] = self._loop.create_future()
        self._waiting.append(key)
        if len(self._waiting) == 1:
            # a step later: tasks that begin in this one may ask for more
            self._loop.call_soon(self._loop.call_soon, self._dispatch)
        return future

    async def load_many(self, keys: Iterable[Key]) -> list[Value]:
        """Returns the values of some keys, in their order."""
        return await asyncio.gather(*map(self.load, keys))

    def prime(self, key: Key, value: Value) -> None:
        """Tells a value, so that it is not fetched; what was asked for before stays as it is."""
        if key not in self._futures:
            future = self._futures[key] = self._loop.create_future()
            future.set_result(value)

    def _dispatch(self) -> None:
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), MAX_BATCH):
            keys = waiting[start : start + MAX_BATCH]
            try:
                values = self._at_once(keys) if self._at_once is not None else None
            except Exception as error:
                self._fail(keys, error)
                continue
            if values is not None:
                self._settle(keys, values)
            else:
                task = self._loop.create_task(self._wait(keys))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _wait(self, keys: list[Key]) -> None:
        try:
            self._settle(keys, await self._fetch(keys))
        except Exception as error:
            self._fail(keys, error)

    def _settle(self, keys: list[Key], values: list[Value]) -> None:
        for key, value in zip(keys, values, strict=True):
            future = self._futures.get(key)
            if future is None or future.done():
                continue
            if isinstance(value, Exception):
                future.set_exception(value)
            else:
                future.set_result(value)

    def _fail(self, keys: list[Key], error: Exception) -> None:
        """Raises an error for all that wait; whoever asks again tries again."""
        for key in keys:
            future = self._futures.pop(key, None)
            if future is not None and not future.done():
                future.set_exception(error)


async def grouped(
    asked: Sequence[Key],
    split: Callable[[Key], tuple[str, Any]],
    fetch: Callable[[Any, list[str]], Awaitable[Sequence[Value]]],
) -> list[Value]:
    """Answers keys that differ only in their parent by one fetch; `split` parts the parent from the rest."""
    groups: dict[Any, list[str]] = {}
    for key in asked:
        parent_id, alike = split(key)
        groups.setdefault(alike, []).append(parent_id)
    answers: dict[Any, dict[str, Value]] = {}
    for alike, parent_ids in groups.items():
        answers[alike] = dict(zip(parent_ids, await fetch(alike, parent_ids), strict=True))
    places = [split(key) for key in asked]
    return [answers[alike][parent_id] for parent_id, alike in places]
