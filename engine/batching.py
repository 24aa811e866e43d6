"""MicroBatcher: concurrent calls that become one call of a model which is faster on batches.

A call that comes alone runs at once. Calls that come while a batch runs wait for it and then share
the next one; after a shared batch the next one may wait up to `max_delay` to fill. Like Triton's
dynamic batcher and Clipper's adaptive batching (Crankshaw et al., NSDI 2017), without tuning.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Waiting(Generic[Item, Answer]):
    item: Item
    size: int
    answer: asyncio.Future[Answer]


class MicroBatcher(Generic[Item, Answer]):
    """Gathers items into batches of at most `max_size` rows and hands every caller its own answer.

    `run` takes items and returns as many answers in the same order. When it fails on a batch, or
    returns more or fewer, each item is run alone, so that only the bad one fails.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        max_size: int,
        max_delay_seconds: float,
    ) -> None:
        self._run = run
        self._max_size = max_size
        self._max_delay_seconds = max_delay_seconds
        self._waiting: deque[_Waiting[Item, Answer]] = deque()
        self._rows = 0
        self._arrival = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._shared_last = False

    async def submit(self, item: Item, size: int = 1) -> Answer:
        """Returns the answer for an item that counts as `size` rows; an item too large runs alone.

        Raises:
            Exception: what `run` raised for this item alone.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(item, size, answer))
        self._rows += size
        self._arrival.set()
        if self._loop is None or self._loop.done():
            # In a context of its own: it runs for many callers, and must not log in the first one's name.
            self._loop = asyncio.create_task(self._run_batches(), context=Context())
        return await answer

    async def _run_batches(self) -> None:
        while self._waiting:
            await self._fill()
            batch = self._next_batch()
            if batch:
                self._shared_last = len(batch) > 1
                await self._answer(batch)

    async def _fill(self) -> None:
        """Lets the callers of this turn of the loop in, and more of them when they come in crowds."""
        await asyncio.sleep(0)
        if not self._shared_last:
            return
        try:
            async with asyncio.timeout(self._max_delay_seconds):
                while self._rows < self._max_size:
                    self._arrival.clear()
                    await self._arrival.wait()
        except TimeoutError:
            return

    def _next_batch(self) -> list[_Waiting[Item, Answer]]:
        batch: list[_Waiting[Item, Answer]] = []
        rows = 0
        while self._waiting and (not batch or rows + self._waiting[0].size <= self._max_size):
            waiting = self._waiting.popleft()
            self._rows -= waiting.size
            if not waiting.answer.done():  # else its caller has left
                batch.append(waiting)
                rows += waiting.size
        return batch

    async def _answer(self, batch: Sequence[_Waiting[Item, Answer]]) -> None:
        try:
            pairs = list(zip(batch, await self._run([waiting.item for waiting in batch]), strict=True))
        except Exception as error:
            if len(batch) == 1:
                _settle(batch[0].answer, error=error)
                return
            for waiting in batch:
                if not waiting.answer.done():
                    await self._answer([waiting])
        else:
            for waiting, answer in pairs:
                _settle(waiting.answer, answer)


def _settle(
    future: asyncio.Future[Answer], answer: Answer | None = None, error: Exception | None = None
) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(answer)  # type: ignore[arg-type]
