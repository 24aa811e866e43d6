"""Operations that are watched: counted, traced, and at DEBUG written to the log, each as it ends."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing, suppress
from functools import lru_cache
from types import TracebackType
from typing import Any

from graphql import GraphQLSyntaxError
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from engine import tracing
from engine.tracing import Kind
from foretell.graphql.operations import ANSWERED, Operations
from foretell.graphql.requests import OperationRequest, Refused
from foretell.graphql.session import Context
from foretell.metrics import Metrics
from foretell.metrics.instruments import SERIES
from schema.errors import code_of
from schema.extensions import prepared_document
from schema.limits import DocumentLimits

log = logging.getLogger(__name__)

OK = "OK"


class ObservedOperations(Operations):
    """Operations with one place through which all of them go."""

    def __init__(self, *given: Any, metrics: Metrics, **more: Any) -> None:
        super().__init__(*given, **more)
        self._on = metrics.instruments
        self._ended = lru_cache(SERIES)(self._on.operations.labels)
        self._seconds = lru_cache(SERIES)(self._on.operation_seconds.labels)
        self._registered = frozenset(self.documents.trusted.values())

    async def execute(
        self,
        text: str,
        request: OperationRequest,
        context: Context,
        allowed: Collection[OperationType] = ANSWERED,
    ) -> ExecutionResult:
        """See `Operations`."""
        kind = self.kind(text, request, context.limits)
        with (
            self._seen(kind, text, request, context.limits) as seen,
            tracing.span(seen.title, Kind.INTERNAL, seen.attributes) as span,
        ):
            result = await super().execute(text, request, context, allowed)
            seen.result(result)
            if seen.code is not OK:
                span.fail(seen.code)
        return result

    async def _subscribe(
        self, text: str, request: OperationRequest, context: Context
    ) -> AsyncGenerator[ExecutionResult, None]:
        with (
            self._seen(OperationType.SUBSCRIPTION, text, request, context.limits) as seen,
            tracing.aside(seen.title, seen.attributes),
            self._on.subscriptions.track_inprogress(),
        ):
            async with aclosing(super()._subscribe(text, request, context)) as results:
                async for result in results:
                    seen.result(result)
                    self._on.events.inc()
                    yield result

    def _seen(
        self, kind: OperationType | None, text: str, request: OperationRequest, limits: DocumentLimits
    ) -> _Seen:
        name = self._name(text, request, limits) if text in self._registered else ""
        return _Seen(self, "unknown" if kind is None else kind.value, name)

    def count(self, kind: str, name: str, code: str, seconds: float) -> None:
        """Counts an operation that ended."""
        self._ended(kind, name, code).inc()
        if kind != OperationType.SUBSCRIPTION.value:
            self._seconds(kind, name).observe(seconds)
        if log.isEnabledFor(logging.DEBUG):
            told = {"operation_type": kind, "operation_name": name, "code": code}
            log.debug("operation", extra=told | {"ms": round(seconds * 1000, 3)})

    @staticmethod
    def _name(text: str, request: OperationRequest, limits: DocumentLimits) -> str:
        """Returns the name of a registered operation; those of others could be anything."""
        with suppress(GraphQLSyntaxError):
            operation = prepared_document(text, limits).operation(request.operation_name)
            if operation is not None and operation.name is not None:
                return operation.name.value
        return ""


class _Seen:
    """What is known of one operation, which goes on as long as the context."""

    __slots__ = ("_by", "_started", "code", "kind", "name")

    def __init__(self, by: ObservedOperations, kind: str, name: str) -> None:
        self._by, self.kind, self.name, self.code = by, kind, name, OK

    def __enter__(self) -> _Seen:
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Refused):
            self.code = error.code
        elif isinstance(error, Exception):
            self.code = "INTERNAL"
        self._by.count(self.kind, self.name, self.code, time.perf_counter() - self._started)

    @property
    def title(self) -> str:
        """What its span is called."""
        return f"{self.kind} {self.name}".rstrip()

    @property
    def attributes(self) -> dict[str, str]:
        """What its span has."""
        return {"graphql.operation.type": self.kind, "graphql.operation.name": self.name}

    def result(self, result: ExecutionResult) -> None:
        """Takes the code of the first error that it had."""
        if result.errors and self.code is OK:
            self.code = code_of(result.errors[0])
