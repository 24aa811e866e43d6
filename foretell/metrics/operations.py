"""Counting GraphQL operations: by type, registered name and code."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing, contextmanager, suppress
from typing import Any

from graphql import GraphQLSyntaxError
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from foretell.graphql.operations import ANSWERED, Operations
from foretell.graphql.requests import OperationRequest, Refused
from foretell.graphql.session import Context
from foretell.metrics.metrics import Metrics
from schema.errors import code_of
from schema.extensions import prepared_document
from schema.limits import DocumentLimits

OK = "OK"


class CountedOperations(Operations):
    """Operations that are counted as they end."""

    def __init__(self, *given: Any, metrics: Metrics, **more: Any) -> None:
        super().__init__(*given, **more)
        self._on = metrics.instruments
        self._names = _Names(self.documents.trusted.values())

    async def execute(
        self,
        text: str,
        request: OperationRequest,
        context: Context,
        allowed: Iterable[OperationType] = ANSWERED,
    ) -> ExecutionResult:
        """See `Operations`."""
        kind = self.kind(text, request, context.limits)
        with self._counted(kind, text, request, context.limits) as code:
            result = await super().execute(text, request, context, allowed)
            code.see(result)
        return result

    async def _subscribe(
        self, text: str, request: OperationRequest, context: Context
    ) -> AsyncGenerator[ExecutionResult, None]:
        with (
            self._counted(OperationType.SUBSCRIPTION, text, request, context.limits) as code,
            self._on.subscriptions.track_inprogress(),
        ):
            async with aclosing(super()._subscribe(text, request, context)) as results:
                async for result in results:
                    code.see(result)
                    self._on.events.inc()
                    yield result

    @contextmanager
    def _counted(
        self, kind: OperationType | None, text: str, request: OperationRequest, limits: DocumentLimits
    ) -> Iterator[_Code]:
        code, started = _Code(), time.perf_counter()
        labels = "unknown" if kind is None else kind.value, self._names.of(text, request, limits)
        try:
            yield code
        except Refused as refused:
            code.value = refused.code
            raise
        except Exception:
            code.value = "INTERNAL"
            raise
        finally:
            self._on.operations.labels(*labels, code.value).inc()
            if kind is not OperationType.SUBSCRIPTION:
                self._on.operation_seconds.labels(*labels).observe(time.perf_counter() - started)


class _Code:
    """The code of the first error of an operation."""

    def __init__(self) -> None:
        self.value = OK

    def see(self, result: ExecutionResult) -> None:
        """Takes the code of a result that has errors."""
        if result.errors and self.value is OK:
            self.value = code_of(result.errors[0])


class _Names:
    """The names of operations that an operator has registered; those of others could be anything."""

    def __init__(self, documents: Iterable[str]) -> None:
        self._documents = frozenset(documents)

    def of(self, text: str, request: OperationRequest, limits: DocumentLimits) -> str:
        """Returns the name that a request asks for, "" where its document is not registered."""
        if not self._documents or text not in self._documents:
            return ""
        with suppress(GraphQLSyntaxError):
            operation = prepared_document(text, limits).operation(request.operation_name)
            if operation is not None and operation.name is not None:
                return operation.name.value
        return ""
