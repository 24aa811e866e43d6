"""What the executor did: counters to read, an observer to call, and which executor ran just now."""

from __future__ import annotations

from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Execution:
    """How one operation (or one subscription event) was executed.

    `reason` says why it was left to graphql-core, and is None for a compiled execution. `compile_seconds` is
    0.0 unless the plan was made for this execution.
    """

    executor: str
    reason: str | None = None
    compile_seconds: float = 0.0


COMPILED = Execution("compiled")
"""The execution of a plan that was there already."""

last_execution: ContextVar[Execution | None] = ContextVar("last_execution", default=None)
"""The most recent execution in this task, None before the first."""


class Observer(Protocol):
    """Is told what happens, to feed metrics. Called on the event loop: return at once, raise nothing."""

    def compiled(self, seconds: float, fields: int) -> None:
        """A plan with that many fields was made in that time."""

    def executed(self, execution: Execution) -> None:
        """An operation was started by the executor that `execution` names."""


@dataclass(slots=True)
class Stats:
    """Counters since the executor was installed; the seconds are a sum."""

    hits: int = 0
    misses: int = 0
    compiled: int = 0
    compile_seconds: float = 0.0
    fallbacks: Counter[str] = field(default_factory=Counter)
    """Operations left to graphql-core, by reason."""
