"""A Strawberry extension for development: the response says which executor made it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from strawberry.extensions import SchemaExtension

from executor.stats import last_execution


class ExecutorExtension(SchemaExtension):
    """Adds `extensions.executor` to each response: `name`, and `reason` or `compileSeconds`."""

    def on_operation(self) -> Iterator[None]:
        """Forgets what an earlier operation of this task was."""
        last_execution.set(None)
        yield

    def get_results(self) -> dict[str, Any]:
        """Returns what the most recent execution of this task was."""
        execution = last_execution.get()
        if execution is None:
            return {}
        report: dict[str, Any] = {"name": execution.executor}
        if execution.reason is not None:
            report["reason"] = execution.reason
        if execution.compile_seconds:
            report["compileSeconds"] = round(execution.compile_seconds, 6)
        return {"executor": report}
