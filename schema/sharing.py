"""Events that look the same to many of their subscribers are executed and encoded once.

A thousand readers of one text with one document want the same bytes a thousand times. The event keeps
what was made of it: for each selection, and the values of the variables that this selection uses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Protocol, cast

import orjson
import strawberry
from graphql import (
    ExecutionResult,
    Executor,
    FieldNode,
    Node,
    VariableNode,
    Visitor,
    visit,
)
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

Key = tuple[Hashable, ...]
"""A document, an operation's name, the values of the variables that its selection uses, and with whom."""


class SharedData(dict[str, Any]):
    """The `data` of a response that several subscribers get."""

    __slots__ = ("_text",)

    @property
    def text(self) -> str:
        """The data as JSON, encoded at the first use."""
        try:
            return self._text
        except AttributeError:
            self._text: str = orjson.dumps(self).decode()
            return self._text


class SharedEvent(Protocol):
    """An event that keeps what was made of it.

    One that looks different to some has `shared_with`, which is equal for those to whom it looks the same.
    """

    shared_results: dict[Key, SharedData | asyncio.Future[ExecutionResult]]


def share_events(schema: strawberry.Schema) -> None:
    """Makes a schema execute every `SharedEvent` once for each selection."""
    base = schema.execution_context_class
    schema.execution_context_class = type("SharingExecutor", (_SharingExecutor, base), {})


class _SharingExecutor(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's executor of a subscription, which looks first whether an event was executed before."""

    _shared_key: Key | None = None

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        # isinstance() with a protocol looks at each attribute: 8 % of what streaming takes
        if getattr(payload, "shared_results", None) is None:
            return super().build_per_event_executor(payload)
        if self._shared_key is None:
            self._shared_key = _key(self)
        key = (*self._shared_key, getattr(payload, "shared_with", None))
        build = super().build_per_event_executor
        # graphql-core asks nothing of it but execute_operation()
        return cast("Executor[Any]", _SharedExecution(payload, key, lambda: build(payload)))


class _SharedExecution:
    """The execution of one event for one subscriber."""

    def __init__(self, event: SharedEvent, key: Key, build: Callable[[], Executor[Any]]) -> None:
        self._event = event
        self._key = key
        self._build = build

    def execute_operation(self, serially: bool | None = None) -> Any:
        """Returns the result, or an awaitable of it."""
        known = self._event.shared_results.get(self._key)
        if isinstance(known, SharedData):
            return ExecutionResult(known, None)
        if known is not None:
            return asyncio.shield(known)
        result = self._build().execute_operation(serially)
        if isinstance(result, ExecutionResult):
            return self._kept(result)
        awaited = cast("Awaitable[ExecutionResult]", result)
        under_way = self._event.shared_results[self._key] = asyncio.ensure_future(self._later(awaited))
        return asyncio.shield(under_way)  # whoever came first may leave first

    async def _later(self, result: Awaitable[ExecutionResult]) -> ExecutionResult:
        return self._kept(await result)

    def _kept(self, result: ExecutionResult) -> ExecutionResult:
        if result.errors or result.data is None:
            self._event.shared_results.pop(self._key, None)
            return result
        data = SharedData(result.data)
        self._event.shared_results[self._key] = data
        return ExecutionResult(data, None)


def _key(executor: Executor[Any]) -> Key:
    names = _Names()
    for selection in executor.operation.selection_set.selections:
        if isinstance(selection, FieldNode):
            for directive in selection.directives or ():
                visit(directive, names)
            if selection.selection_set:
                visit(selection.selection_set, names)
        else:
            visit(selection, names)
    for fragment in executor.fragment_definitions.values():
        visit(fragment, names)
    values = executor.variable_values.coerced
    operation = executor.operation
    assert operation.loc is not None  # documents are parsed with their locations
    name = operation.name.value if operation.name else ""
    used = tuple(repr(values.get(variable)) for variable in sorted(names.found))
    return operation.loc.source.body, name, used


class _Names(Visitor):
    """Gathers the variables that a part of a document uses."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: Node) -> None:
        """Takes a name."""
        self.found.add(node.name.value)
