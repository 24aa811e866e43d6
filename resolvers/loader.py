"""Loader: gathers what the resolvers of a level ask for, and fetches it together.

A DataLoader that makes a task for a batch only where the batch has to be waited for: what SQLite finds at
once takes no longer than a task.
"""

from __future__ import annotations

from asyncio import Future, get_running_loop
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from aiodataloader import DataLoader, dispatch_queue
from aiodataloader import Loader as Asked

MAX_BATCH = 500

Key = TypeVar("Key")
Value = TypeVar("Value")


class Loader(DataLoader[Key, Value]):
    """Loads values by their keys, each key once; a value that is an exception is raised.

    `fetch` returns the values of at most `MAX_BATCH` keys in their order. `at_once` may do the same without
    waiting, or return None.
    """

    max_batch_size = MAX_BATCH

    def __init__(
        self,
        fetch: Callable[[list[Key]], Coroutine[Any, Any, list[Value]]],
        at_once: Callable[[list[Key]], list[Value] | None] | None = None,
    ) -> None:
        # as `DataLoader` does it, without its look into the code of `fetch`, which takes longer than a load
        self.loop = get_running_loop()
        self.batch_load_fn = fetch
        self._cache = {}
        self._queue: list[Asked] = []
        self._at_once = at_once

    @staticmethod
    def get_cache_key(key: Key) -> Key:
        """Returns what a value is kept by."""
        return key

    def load(self, key: Key) -> Future[Value]:
        """Returns a future of a value. Whoever waits for the same shares it."""
        found = self._cache.get(key)
        if found is None or found.cancelled():
            found = self._cache[key] = self.loop.create_future()
            self.do_resolve_reject(key, found)
        return found

    def do_resolve_reject(self, key: Key, future: Future[Value]) -> None:
        """Puts a key among those that are fetched next."""
        self._queue.append(Asked(key=key, future=future))
        if len(self._queue) == 1:
            # a step later: tasks that begin in this one may ask for more
            self.loop.call_soon(self.loop.call_soon, self._dispatch)

    def _dispatch(self) -> None:
        if self._at_once is not None:
            asked, self._queue = self._queue, []
            for start in range(0, len(asked), MAX_BATCH):
                batch = asked[start : start + MAX_BATCH]
                if not self._found_at_once(self._at_once, batch):
                    self._queue += batch
        if self._queue:
            dispatch_queue(self)

    def _found_at_once(
        self, at_once: Callable[[list[Key]], list[Value] | None], batch: Sequence[Asked]
    ) -> bool:
        try:
            values = at_once([each.key for each in batch])
        except Exception as error:
            for each in batch:
                self.clear(each.key)
                if not each.future.done():
                    each.future.set_exception(error)
            return True
        if values is None:
            return False
        for each, value in zip(batch, values, strict=True):
            if not each.future.done():
                tell = each.future.set_exception if isinstance(value, Exception) else each.future.set_result
                tell(value)
        return True


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
