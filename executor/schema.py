"""The seam to Strawberry: `install(schema)`, after which the schema executes compiled plans.

graphql-core makes one executor for each operation, of the class that Strawberry hands it. `install` hands it
a class whose `build` looks for a plan first. Everything else stays Strawberry's: parsing, validation,
extensions, the context, the masking of errors, the transports.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, cast

from graphql import DocumentNode, Executor, GraphQLError, GraphQLSchema, OperationType
from graphql.execution import MiddlewareManager
from graphql.pyutils.is_awaitable import is_async_iterable as default_is_async_iterable
from graphql.pyutils.is_awaitable import is_awaitable as default_is_awaitable
from strawberry import Schema
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from executor.compiler import Compiler, Prepared
from executor.operation import Operation
from executor.stats import COMPILED, Execution, Observer, Stats, last_execution


class CompiledSchema:
    """A Strawberry schema whose operations run compiled, as long as `enabled` is true.

    Made by `install`.
    """

    def __init__(self, schema: Schema, compiler: Compiler, observer: Observer | None) -> None:
        self.schema = schema
        self.enabled = True
        self._compiler = compiler
        self._observer = observer

    @property
    def stats(self) -> Stats:
        """What was compiled, found and left to graphql-core so far."""
        return self._compiler.stats

    @property
    def documents(self) -> int:
        """How many documents are kept."""
        return len(self._compiler.documents)

    def clear(self) -> None:
        """Forgets all plans."""
        self._compiler.documents.clear()

    def uninstall(self) -> None:
        """Gives the schema back to graphql-core."""
        self.schema.execution_context_class = StrawberryGraphQLCoreExecutionContext

    def prepare(
        self,
        document: DocumentNode,
        operation_name: str | None = None,
        variables: dict[str, Any] | None = None,
        *,
        wrapped: bool = False,
        max_errors: int = 50,
        hide_suggestions: bool = False,
    ) -> Prepared | list[GraphQLError] | str:
        """Returns the plan of a valid document, the errors of its variables, or the reason for no plan.

        A server that knows its documents beforehand compiles them this way before the first request.
        """
        if not self.enabled:
            return "switched off"
        return self._compiler.prepare(
            document,
            operation_name,
            variables or {},
            wrapped=wrapped,
            max_errors=max_errors,
            hide_suggestions=hide_suggestions,
        )

    def operation(
        self,
        prepared: Prepared,
        *,
        root_value: Any,
        context: Any,
        is_awaitable: Callable[[Any], bool] = default_is_awaitable,
        is_async_iterable: Callable[[Any], bool] = default_is_async_iterable,
        middleware: MiddlewareManager | None = None,
        operation_extensions: dict[str, Any] | None = None,
        hide_suggestions: bool = False,
    ) -> Operation:
        """Returns an execution of a plan, ready to run once."""
        return Operation(
            prepared.plan,
            self.schema._schema,
            prepared.operation.definitions,
            prepared.variables,
            root_value=root_value,
            context=context,
            is_awaitable=is_awaitable,
            is_async_iterable=is_async_iterable,
            middleware=middleware,
            operation_extensions=operation_extensions,
            hide_suggestions=hide_suggestions,
        )

    def report_run(self, prepared: Prepared) -> None:
        """Notes that a plan runs an operation, for those who run it themselves."""
        self.report(_execution(prepared))

    def report(self, execution: Execution) -> None:
        """Notes which executor runs an operation: for `last_execution`, the stats and the observer."""
        last_execution.set(execution)
        if execution.reason is not None:
            self.stats.fallbacks[execution.reason] += 1
        if self._observer is not None:
            self._observer.executed(execution)


class CompiledExecutor(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's executor, which steps aside where there is a plan."""

    compiled: ClassVar[CompiledSchema]
    prepared: Prepared | None = None

    @classmethod
    def build(
        cls,
        schema: GraphQLSchema,
        document: DocumentNode,
        root_value: Any = None,
        context_value: Any = None,
        raw_variable_values: dict[str, Any] | None = None,
        operation_name: str | None = None,
        field_resolver: Any = None,
        type_resolver: Any = None,
        subscribe_field_resolver: Any = None,
        max_coercion_errors: int = 50,
        enable_early_execution: bool = False,
        middleware: Any = None,
        is_awaitable: Any = None,
        is_async_iterable: Any = None,
        hide_suggestions: bool = False,
        abort_signal: Any = None,
        hooks: Any = None,
        **custom_args: Any,
    ) -> list[GraphQLError] | Executor[Any]:
        """Returns an execution of a plan, or graphql-core's own executor, or the errors of the request."""
        prepared: Prepared | list[GraphQLError] | str = "options of graphql-core's execute"
        unknown = field_resolver, type_resolver, subscribe_field_resolver, abort_signal, hooks
        if (
            unknown == (None,) * 5
            and not enable_early_execution
            and custom_args.keys() <= {"operation_extensions"}
            and (middleware is None or isinstance(middleware, MiddlewareManager))
        ):
            prepared = cls.compiled.prepare(
                document,
                operation_name,
                raw_variable_values,
                wrapped=middleware is not None and bool(middleware.middlewares),
                max_errors=max_coercion_errors,
                hide_suggestions=hide_suggestions,
            )
        if isinstance(prepared, list):
            return prepared
        if (
            isinstance(prepared, Prepared)
            and prepared.operation.node.operation is not OperationType.SUBSCRIPTION
        ):
            cls.compiled.report(_execution(prepared))
            operation = cls.compiled.operation(
                prepared,
                root_value=root_value,
                context=context_value,
                is_awaitable=is_awaitable or default_is_awaitable,
                is_async_iterable=is_async_iterable or default_is_async_iterable,
                middleware=middleware,
                operation_extensions=custom_args.get("operation_extensions"),
                hide_suggestions=hide_suggestions,
            )
            # graphql-core asks nothing of a query's or a mutation's executor but execute_operation()
            return cast("Executor[Any]", operation)
        if isinstance(prepared, str):
            cls.compiled.report(Execution("graphql-core", prepared))
        executor = super().build(
            schema,
            document,
            root_value,
            context_value,
            raw_variable_values,
            operation_name,
            field_resolver,
            type_resolver,
            subscribe_field_resolver,
            max_coercion_errors,
            enable_early_execution,
            middleware,
            is_awaitable,
            is_async_iterable,
            hide_suggestions=hide_suggestions,
            abort_signal=abort_signal,
            hooks=hooks,
            **custom_args,
        )
        if isinstance(executor, CompiledExecutor) and isinstance(prepared, Prepared):
            executor.prepared = prepared
        return executor

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        """Returns the execution of one subscription event."""
        prepared = self.prepared
        if prepared is None:
            return super().build_per_event_executor(payload)
        self.compiled.report(_execution(prepared))
        self.prepared = prepared._replace(seconds=0.0)
        operation = self.compiled.operation(
            prepared,
            root_value=payload,
            context=self.context_value,
            is_awaitable=self.is_awaitable,
            is_async_iterable=self.is_async_iterable,
            middleware=self.middleware_manager,
            operation_extensions=self.operation_extensions,
            hide_suggestions=self.hide_suggestions,
        )
        return cast("Executor[Any]", operation)


def install(
    schema: Schema,
    *,
    max_documents: int = 512,
    max_plans_per_document: int = 16,
    max_fields: int = 500,
    observer: Observer | None = None,
) -> CompiledSchema:
    """Makes a Strawberry schema execute compiled plans, and returns the handle to watch and switch it.

    Kept are the plans of at most `max_documents` documents, and of each at most `max_plans_per_document` (for
    different operation names and different values of the variables in @skip and @include). An operation with
    more than `max_fields` fields, counted once for each type they are read from, is left to graphql-core: its
    plan would take too long to make.

    Raises `ValueError` for a schema with an execution context class of its own, which could change anything.
    """
    if schema.execution_context_class is not StrawberryGraphQLCoreExecutionContext:
        raise ValueError("The schema has an execution context class of its own.")
    compiler = Compiler(
        schema._schema,
        schema.schema_converter,
        max_documents=max_documents,
        max_plans_per_document=max_plans_per_document,
        max_fields=max_fields,
        observer=observer,
    )
    compiled = CompiledSchema(schema, compiler, observer)
    schema.execution_context_class = type("CompiledExecutor", (CompiledExecutor,), {"compiled": compiled})
    return compiled


def _execution(prepared: Prepared) -> Execution:
    return Execution("compiled", None, prepared.seconds) if prepared.seconds else COMPILED
