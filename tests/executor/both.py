"""Runs a request with both executors and insists that they agree."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import strawberry
from strawberry.types import ExecutionResult

from executor import install, last_execution
from tests.executor.observing import described


def both(
    schema: strawberry.Schema,
    text: str,
    variables: dict[str, Any] | None = None,
    *,
    context: Callable[[], Any] = lambda: None,
    root: Any = None,
    operation_name: str | None = None,
    allow_fallback: bool = False,
) -> ExecutionResult:
    """Returns the compiled result, which equals graphql-core's in data, order of keys, and errors.

    `context` makes the context inside the running loop.
    """
    compiled = install(schema)

    async def execute() -> ExecutionResult:
        return await schema.execute(
            text,
            variable_values=deepcopy(variables),  # resolvers may change them
            context_value=context(),
            root_value=root,
            operation_name=operation_name,
        )

    try:
        compiled.enabled = False
        expected = asyncio.run(execute())
        compiled.enabled = True
        last_execution.set(None)
        actual = asyncio.run(execute())
    finally:
        compiled.uninstall()
    assert json.dumps(actual.data) == json.dumps(expected.data), (actual, expected)
    assert sorted(map(described, actual.errors or ()), key=repr) == sorted(
        map(described, expected.errors or ()), key=repr
    )
    assert allow_fallback or not compiled.stats.fallbacks.keys() - {"switched off"}
    return actual
