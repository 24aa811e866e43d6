"""What the log lines of a task carry: the ids of the request, prediction, job or delivery it works for."""

from __future__ import annotations

from contextlib import AbstractContextManager

from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars


def name(**ids: str) -> None:
    """Lets what the current task, and tasks it starts, log from now on carry these ids."""
    bind_contextvars(**ids)


def named(**ids: str) -> AbstractContextManager[None]:
    """The same for as long as the context lasts."""
    return bound_contextvars(**ids)


def forget() -> None:
    """Lets the current task start anew."""
    clear_contextvars()
