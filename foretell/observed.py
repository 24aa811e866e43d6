"""Operations that are watched: counted, traced, and at DEBUG written to the log, each as it ends."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Collection, Iterator
from contextlib import aclosing, contextmanager, suppress
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
            self._observed(kind, text, request, context.limits) as seen,
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
            self._observed(OperationType.SUBSCRIPTION, text, request, context.limits) as seen,
            tracing.aside(seen.title, seen.attributes),
            self._on.subscriptions.track_inprogress(),
        ):
            async with aclosing(super()._subscribe(text, request, context)) as results:
                async for result in results:
                    seen.result(result)
                    self._on.events.inc()
                    yield result

    @contextmanager
    def _observed(
        self, kind: OperationType | None, text: str, request: OperationRequest, limits: DocumentLimits
    ) -> Iterator[_Seen]:
        name = self._name(text, request, limits) if text in self._registered else ""
        seen, started = _Seen("unknown" if kind is None else kind.value, name), time.perf_counter()
        try:
            yield seen
        except Refused as refused:
            seen.code = refused.code
            raise
        except Exception:
            seen.code = "INTERNAL"
            raise
        finally:
            seconds = time.perf_counter() - started
            self._on.operations.labels(seen.kind, name, seen.code).inc()
            if kind is not OperationType.SUBSCRIPTION:
                self._on.operation_seconds.labels(seen.kind, name).observe(seconds)
            told = {"operation_type": seen.kind, "operation_name": name, "code": seen.code}
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
    """What is known of one operation."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind, self.name, self.code = kind, name, OK

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
