"""One execution of a plan: its state, and everything that the generated code asks of it.

The synchronous parts run depth first, field by field, exactly in graphql-core's order. Whatever is awaitable
is noted with its place and its position, and all of it is awaited together; what arrives at the same time is
completed together, so that a loader gets the keys of a whole level in one batch. An operation that awaits
nothing is done without a coroutine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from graphql import (
    ExecutionResult,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    located_error,
)
from graphql.execution import MiddlewareManager
from graphql.execution.values import VariableValues
from graphql.pyutils import gather_with_cancel
from graphql.type import GraphQLResolveInfoHelpers

from executor.completion import is_unusual
from executor.driver import drive
from executor.info import ResolveInfo
from executor.pending import Pending
from executor.plan import Completer, FieldSite, ObjectPlan, Plan
from executor.positions import NOWHERE, Position, keys_of
from executor.response import Response


class Operation:
    """A plan with the values of one request. Runs once."""

    __slots__ = (
        "_arguments",
        "_middleware",
        "bound",
        "context",
        "failures",
        "fragments",
        "hide_suggestions",
        "is_async_iterable",
        "is_awaitable",
        "node",
        "operation_extensions",
        "plan",
        "response",
        "root_value",
        "schema",
        "starting",
        "variable_values",
    )

    def __init__(
        self,
        plan: Plan,
        schema: GraphQLSchema,
        fragments: dict[str, FragmentDefinitionNode],
        variable_values: VariableValues,
        *,
        root_value: Any,
        context: Any,
        is_awaitable: Callable[[Any], bool],
        is_async_iterable: Callable[[Any], bool],
        middleware: MiddlewareManager | None,
        operation_extensions: dict[str, Any] | None,
        hide_suggestions: bool,
    ) -> None:
        self.plan = plan
        self.schema = schema
        self.node = plan.operation
        self.fragments = fragments
        self.variable_values = variable_values
        self.root_value = root_value
        self.context = context
        self.is_awaitable = is_awaitable
        self.is_async_iterable = is_async_iterable
        self.operation_extensions = operation_extensions
        self.hide_suggestions = hide_suggestions
        self.response = Response()
        self.starting: list[Pending] = []
        self.bound: dict[int, Callable[[Any], Any] | bool] = {}
        self.failures = 0
        self._middleware = middleware
        self._arguments: dict[int, dict[str, Any]] = {}

    def __del__(self) -> None:
        # an execution that nobody awaited (execute_sync of an async resolver) leaves its coroutines here
        self.close()

    def execute_operation(self, serially: bool | None = None) -> ExecutionResult | Unfinished:
        """Runs the plan and returns the result, or an awaitable of it if anything is awaited.

        Never raises for what resolvers raise. `serially` is what graphql-core calls it with; the plan knows.
        """
        whole: dict[str, Any] = {}
        for index, step in enumerate(self.plan.steps):
            self._run(step)
            if self.starting and not self._closed_without_loop():
                return Unfinished(self, index, whole)
            if self.response.data is None:
                return self.response.result(None)
            whole.update(self.response.data)
        return self.response.result(whole)

    async def finish(self, index: int, whole: dict[str, Any]) -> ExecutionResult:
        """Awaits step `index`, then runs the others one after the other."""
        await drive(self)
        for step in self.plan.steps[index + 1 :]:
            if self.response.data is None:
                break
            whole.update(self.response.data)
            self._run(step)
            if self.starting:
                await drive(self)
        if self.response.data is None:
            return self.response.result(None)
        whole.update(self.response.data)
        return self.response.result(whole)

    def _run(self, step: ObjectPlan) -> None:
        self.bound.clear()  # the step before may have changed what they hold on to
        try:
            self.response.data = step.complete(self.root_value, self, None, None, True)
        except GraphQLError as error:
            self.response.data = None
            self.response.add(error, None)

    def _closed_without_loop(self) -> bool:
        """Disposes of what nobody can await: without a loop, and only if its place is null already."""
        if not all(self.response.is_cut_off(pending.position) for pending in self.starting):
            return False
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self.close()
            return True
        return False

    def close(self) -> None:
        """Disposes of what has not been started."""
        for pending in self.starting:
            pending.close()
        self.starting.clear()

    def defer(self, awaitable: Any, site: FieldSite, parent: Position) -> None:
        """Notes that a field of the object at `parent` is awaited."""
        position = (parent, site.key, site.typename, site.nullable)
        self.starting.append(Pending(awaitable, site, position, site.complete))

    def defer_at(
        self,
        awaitable: Any,
        site: FieldSite,
        position: Position,
        complete: Completer,
        container: Any = None,
    ) -> None:
        """Notes that the value at a position is awaited."""
        self.starting.append(Pending(awaitable, site, position, complete, container))

    @contextmanager
    def held(self, late: list[Pending]) -> Iterator[None]:
        """Moves what is noted inside the block to `late`, so that it does not start yet."""
        before = len(self.starting)
        try:
            yield
        finally:
            late.extend(self.starting[before:])
            del self.starting[before:]

    async def raising(self, error: Exception) -> None:
        """Raises the error when awaited."""
        raise error

    def leaf(self, value: Any, site: FieldSite, parent: Position) -> Any:
        """Completes a leaf that did not pass its guard; None if it is awaited."""
        if self.is_awaitable(value):
            self.defer(value, site, parent)
            return None
        return site.complete(value, self, parent, site)

    def unusual(
        self, value: Any, position: Position, site: FieldSite, plan: ObjectPlan, classes: set[type]
    ) -> bool:
        """Says whether the source of an object is none: see `completion.is_unusual`."""
        return is_unusual(value, self, position, site, plan, classes)

    def state(self) -> tuple[int, int]:
        """Returns what is another after an object that failed in part, or waits for a part of it."""
        return self.failures, len(self.starting)

    def failed(self, raised: Exception, site: FieldSite, parent: Position) -> None:
        """Reports what a field raised, or raises it on if the field may not be null."""
        self.failed_at(raised, site, (parent, site.key, site.typename, site.nullable))

    def failed_at(self, raised: Exception, site: FieldSite, position: Position) -> None:
        """Reports what was raised at a position, or raises it on if no null may stand there."""
        self.failures += 1
        error = located_error(raised, site.nodes, keys_of(position))
        if not position[3]:
            self.response.detach(position[0])
            raise error
        self.response.add(error, position)

    def track(self, values: Iterable[Any]) -> None:
        """Awaits with the operation what is awaitable among the values, whatever comes of it."""
        for value in values:
            if self.is_awaitable(value):
                self.defer_at(value, self.plan.steps[0].sites[0], (NOWHERE, 0, None, True), _nothing, {})

    def arguments(self, site: FieldSite) -> dict[str, Any]:
        """Returns the arguments of a field, coerced once if they may be shared."""
        known = self._arguments.get(site.index)
        if known is None:
            assert site.arguments is not None
            known = site.arguments.read(self)
            if site.arguments.reusable:
                self._arguments[site.index] = known
        return known

    def wrapped(self, resolve: Callable[..., Any]) -> Callable[..., Any]:
        """Returns a field's `resolve` inside the middleware of this operation."""
        return self._middleware.get_field_resolver(resolve) if self._middleware else resolve

    def info_at(self, site: FieldSite, position: Position) -> GraphQLResolveInfo[Any]:
        """Returns the info of the field whose value, or an item of it, stands at a position."""
        # typed as the named tuple whose attributes it has
        return cast("GraphQLResolveInfo[Any]", ResolveInfo(self, site, position))

    @property
    def async_helpers(self) -> GraphQLResolveInfoHelpers:
        """The helpers that graphql-core offers in `info`: gather, and await with the operation."""
        return GraphQLResolveInfoHelpers(gather=_gather, track=self.track)


class Unfinished:
    """An operation that awaits something. No coroutine, so that it may be dropped without a warning."""

    __slots__ = ("_index", "_operation", "_whole")

    def __init__(self, operation: Operation, index: int, whole: dict[str, Any]) -> None:
        self._operation = operation
        self._index = index
        self._whole = whole

    def __await__(self) -> Generator[Any, Any, ExecutionResult]:
        return self._operation.finish(self._index, self._whole).__await__()


def _gather(values: Sequence[Awaitable[Any]]) -> Awaitable[list[Any]]:
    return gather_with_cancel(*values)


def _nothing(value: Any, operation: Operation, position: Position, site: FieldSite) -> None:
    """Completes what is awaited only so that it is awaited."""
