"""Running an operation by its compiled plan, without what Strawberry does around each.

Strawberry makes an execution context, a runner of extensions and several coroutines for each request, which
take longer than a small plan. There is one extension here, and it is asked directly. What has no plan, and
what is not allowed where it came from, Strawberry runs, with the same answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Mapping
from typing import Any, cast

from graphql import ExecutionResult as CoreResult
from graphql import GraphQLError, GraphQLSyntaxError
from strawberry import Schema
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from executor import CompiledSchema, Prepared
from schema.documents import DOCUMENTS
from schema.extensions import Admission, OperationContext, charge, judge
from schema.prepared import kind_of


def compiled_of(schema: Schema) -> CompiledSchema | None:
    """Return the plans of a schema; None where it has other extensions, which Strawberry has to call."""
    compiled: CompiledSchema | None = getattr(schema.execution_context_class, "compiled", None)
    return compiled if tuple(schema.extensions) == (Admission,) else None


async def run_compiled(
    compiled: CompiledSchema,
    text: str,
    variables: dict[str, Any],
    context: OperationContext,
    name: str | None,
    *,
    extensions: Mapping[str, Any],
    allowed: Collection[OperationType],
) -> ExecutionResult | None:
    """Return the result of a query or a mutation; None where Strawberry has to run it."""
    try:
        document = DOCUMENTS.prepare(text, context.limits.tokens)
    except GraphQLSyntaxError:
        return None
    judged = judge(document, compiled.schema._schema, context.limits, name, variables)
    if isinstance(judged, list) or kind_of(judged.node) not in allowed:
        return None
    prepared = compiled.prepare(document.document, name, variables)
    if isinstance(prepared, str):
        return None
    told = judged.told(context.limits)
    errors = await charge(judged, context, told) or (prepared if isinstance(prepared, list) else [])
    if errors:
        return ExecutionResult(data=None, errors=errors, extensions={"cost": told})
    result = await _run(compiled, cast(Prepared, prepared), context, dict(extensions))
    return ExecutionResult(data=result.data, errors=result.errors, extensions={"cost": told})


async def _run(
    compiled: CompiledSchema, prepared: Prepared, context: OperationContext, extensions: dict[str, Any]
) -> CoreResult:
    compiled.report_run(prepared)
    operation = compiled.operation(
        prepared,
        root_value=None,
        context=context,
        is_awaitable=cast(Any, optimized_is_awaitable),
        operation_extensions=extensions,
    )
    try:
        result = operation.execute_operation()
        return result if isinstance(result, CoreResult) else await cast(Awaitable[CoreResult], result)
    except Exception as error:
        return CoreResult(None, [GraphQLError(str(error), original_error=error)])
