"""Running a coroutine where a test or a fixture is no coroutine itself."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end on a loop of its own, and leaves no loop behind."""
    with asyncio.Runner() as runner:
        return runner.run(work)
