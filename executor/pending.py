"""A value of the response that is still awaited."""

from __future__ import annotations

from collections.abc import Awaitable
from inspect import CORO_CREATED, getcoroutinestate
from types import CoroutineType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from executor.plan import Completer, FieldSite
    from executor.positions import Position


class Pending:
    """Where an awaited value belongs, and how it is completed when it is there.

    `container` is the object or list that gets it; None means that it is looked up by position.
    """

    __slots__ = ("awaitable", "complete", "container", "is_cancelled", "position", "site")

    def __init__(
        self,
        awaitable: Awaitable[Any],
        site: FieldSite,
        position: Position,
        complete: Completer,
        container: Any = None,
    ) -> None:
        self.awaitable = awaitable
        self.site = site
        self.position = position
        self.complete = complete
        self.container = container
        self.is_cancelled = False

    def close(self) -> bool:
        """Disposes of a coroutine that has not begun, and says whether it was one."""
        awaitable = self.awaitable
        if not isinstance(awaitable, CoroutineType) or getcoroutinestate(awaitable) != CORO_CREATED:
            return False
        awaitable.close()
        return True
