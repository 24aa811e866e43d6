"""Begun: work whose first step is taken at once, because it seldom has to wait."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Begun(Generic[T]):
    """An awaitable that has begun when it is made. It has to be awaited, once, in the task that made it.

    `is_done` tells whether it did not have to wait for anything. What the work raises at once is raised
    when this is made.
    """

    __slots__ = ("_result", "_steps", "_waits_for", "is_done")

    _result: T

    def __init__(self, work: Awaitable[T]) -> None:
        self._steps: Generator[Any, Any, T] = work.__await__()
        self.is_done = False
        try:
            self._waits_for = next(self._steps)
        except StopIteration as done:
            self.is_done, self._result = True, done.value

    def __await__(self) -> Generator[Any, Any, T]:
        """Waits for the rest of the work."""
        if self.is_done:
            return self._result
        answer = yield self._waits_for
        assert answer is None
        return (yield from self._steps)
