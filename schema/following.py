"""Following a subscription without what Strawberry does around each event.

Strawberry asks its extensions, twice, and makes a result anew for each event and subscriber, which takes
longer than to execute most events. There is one extension here; it is asked directly, once. See `running`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from graphql import ExecutionResult as CoreResult
from graphql import Executor, GraphQLError, GraphQLSyntaxError, create_source_event_stream
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from executor import CompiledSchema
from schema.documents import DOCUMENTS
from schema.extensions import OperationContext, charge, judge
from schema.prepared import kind_of

Results = AsyncGenerator[ExecutionResult, None]


async def follow_compiled(
    compiled: CompiledSchema,
    text: str,
    variables: dict[str, Any],
    context: OperationContext,
    name: str | None,
    *,
    extensions: Mapping[str, Any],
) -> Results | None:
    """Return the results of a subscription, the cost with the first; None where Strawberry has to run it."""
    try:
        document = DOCUMENTS.prepare(text, context.limits.tokens)
    except GraphQLSyntaxError:
        return None
    schema = compiled.schema
    judged = judge(document, schema._schema, context.limits, name, variables)
    if isinstance(judged, list) or kind_of(judged.node) is not OperationType.SUBSCRIPTION:
        return None
    told = judged.told(context.limits)
    errors = await charge(judged, context, told)
    if errors:
        return _refused(errors, told)
    built = schema.execution_context_class.build(
        schema._schema,
        document.document,
        context_value=context,
        raw_variable_values=variables,
        operation_name=name,
        operation_extensions=dict(extensions),
    )
    return _refused(built, told) if isinstance(built, list) else _results(built, told)


async def _refused(errors: list[GraphQLError], told: dict[str, object]) -> Results:
    yield ExecutionResult(data=None, errors=errors, extensions={"cost": told})


async def _results(executor: Executor[Any], told: dict[str, object]) -> Results:
    shown: dict[str, object] | None = {"cost": told}
    try:
        source: Any = create_source_event_stream(executor)
        if executor.is_awaitable(source):
            source = await source
        if isinstance(source, CoreResult):
            yield ExecutionResult(data=None, errors=source.errors, extensions=shown)
            return
        async with aclosing(source) as events:
            async for event in events:
                result: Any = executor.build_per_event_executor(event).execute_operation(serially=False)
                if not isinstance(result, CoreResult):
                    result = await result
                yield ExecutionResult(data=result.data, errors=result.errors, extensions=shown)
                shown = None
    except Exception as error:
        told_error = error if isinstance(error, GraphQLError) else _wrapped(error)
        yield ExecutionResult(data=None, errors=[told_error], extensions=shown)


def _wrapped(error: Exception) -> GraphQLError:
    return GraphQLError(str(error), original_error=error)
