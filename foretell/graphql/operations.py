"""Running one operation, whatever transport it came over, and making its answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection, Coroutine, Iterable, Mapping
from contextlib import aclosing
from math import ceil
from typing import Any

import orjson
from graphql import FieldNode, GraphQLError, GraphQLSyntaxError, OperationDefinitionNode
from strawberry import Schema
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from engine.errors import IssuerAwayError, TooManyAttemptsError, UnauthenticatedError
from engine.values import Viewer
from foretell.graphql.documents import PersistedDocuments
from foretell.graphql.requests import OperationRequest, Refused
from foretell.graphql.session import Authenticate, Context, MakeContext
from schema.errors import MASKED, present
from schema.extensions import prepared_document
from schema.following import follow_compiled
from schema.limits import DocumentLimits
from schema.prepared import Prepared, kind_of
from schema.running import compiled_of, run_compiled
from schema.sharing import SharedData

logger = logging.getLogger(__name__)

ANSWERED = (OperationType.QUERY, OperationType.MUTATION)
"""The operations with one answer; a subscription has a stream of them."""

NO_CREDENTIAL = "Send an API key: `Authorization: Bearer fk_...`."

Payload = dict[str, Any]
"""A response as the specification describes it: `data`, `errors`, `extensions`."""


class Operations:
    """The application, as the transports see it: authenticate, find the document, run it."""

    def __init__(
        self,
        schema: Schema,
        *,
        authenticate: Authenticate,
        make_context: MakeContext,
        documents: PersistedDocuments,
        public_fields: Iterable[str] = (),
    ) -> None:
        self.schema = schema
        self._compiled = compiled_of(schema)
        self.authenticate = authenticate
        self.make_context = make_context
        self.documents = documents
        self.public_fields = frozenset(public_fields)
        self._detached: set[asyncio.Task[Any]] = set()

    async def viewer(self, headers: Mapping[str, str], address: str) -> Viewer | None:
        """Return who the headers name; None when they name nobody. Raises Refused (401, 429, 503)."""
        try:
            return await self.authenticate(headers, address)
        except UnauthenticatedError as error:
            raise unauthenticated(error.message) from error
        except (TooManyAttemptsError, IssuerAwayError) as error:
            wait = {"Retry-After": str(ceil(error.retry_after_seconds or 1))}
            status = 429 if isinstance(error, TooManyAttemptsError) else 503
            raise Refused(error.message, code=error.code, status=status, headers=wait) from error

    async def text(self, request: OperationRequest, limits: DocumentLimits) -> str:
        """Return the text of the document to run. Raises Refused, 413 when it is too long."""
        text = await self.documents.text(request)
        if len(text) > limits.bytes or len(text.encode()) > limits.bytes:
            raise Refused(
                f"The document is longer than {limits.bytes} bytes.",
                code="DOCUMENT_LIMIT_EXCEEDED",
                status=413,
            )
        return text

    def kind(self, text: str, request: OperationRequest, limits: DocumentLimits) -> OperationType | None:
        """Return the type of the operation; None when the document can not be read or does not tell."""
        operation = _operation(_prepared(text, limits), request.operation_name)
        return kind_of(operation) if operation else None

    def require_viewer(
        self, text: str, request: OperationRequest, viewer: Viewer | None, limits: DocumentLimits
    ) -> None:
        """Return when somebody asks, or when all that is selected is public. Raises Refused (401)."""
        if viewer is None and not self._is_public(text, request, limits):
            raise unauthenticated(NO_CREDENTIAL)

    def _is_public(self, text: str, request: OperationRequest, limits: DocumentLimits) -> bool:
        if not self.public_fields:
            return False
        operation = _operation(_prepared(text, limits), request.operation_name)
        return operation is not None and all(
            isinstance(selection, FieldNode) and selection.name.value in self.public_fields
            for selection in operation.selection_set.selections
        )

    async def execute(
        self,
        text: str,
        request: OperationRequest,
        context: Context,
        allowed: Collection[OperationType] = ANSWERED,
    ) -> ExecutionResult:
        """Return the result of a query or mutation.

        Raises Refused for an operation of a type that is not allowed: 405 for a mutation, 422 for a
        subscription.
        """
        compiled = self._compiled
        try:
            if compiled is not None:
                result = await run_compiled(
                    compiled,
                    text,
                    request.variables,
                    context,
                    request.operation_name,
                    extensions=request.extensions,
                    allowed=allowed,
                )
                if result is not None:
                    return result
            return await self.schema.execute(
                text,
                variable_values=request.variables,
                context_value=context,
                operation_name=request.operation_name,
                operation_extensions=request.extensions,
                allowed_operation_types=tuple(allowed),
            )
        except InvalidOperationTypeError as error:
            raise not_allowed(error.operation_type) from None
        except CannotGetOperationTypeError as error:
            raise Refused(error.as_http_error_reason(), code="GRAPHQL_VALIDATION_FAILED") from None
        except MissingQueryError:
            raise Refused("The document is empty.") from None
        finally:
            context.renew_loaders()

    async def stream(
        self, text: str, request: OperationRequest, context: Context
    ) -> AsyncGenerator[ExecutionResult, None]:
        """Yield the results of any operation: one for a query or mutation, the events of a subscription.

        A mutation runs to its end when the reader goes away. What is loaded for one event is forgotten before
        the next. Raises Refused as `execute` does.
        """
        kind = self.kind(text, request, context.limits)
        if kind is OperationType.SUBSCRIPTION:
            async for result in self._subscribe(text, request, context):
                yield result
        elif kind is OperationType.MUTATION:
            yield await self.finish(self.execute(text, request, context))
        else:
            yield await self.execute(text, request, context)

    async def _subscribe(
        self, text: str, request: OperationRequest, context: Context
    ) -> AsyncGenerator[ExecutionResult, None]:
        results = None
        if self._compiled is not None:
            results = await follow_compiled(
                self._compiled,
                text,
                request.variables,
                context,
                request.operation_name,
                extensions=request.extensions,
            )
        if results is None:
            results = await self.schema.subscribe(
                text,
                variable_values=request.variables,
                context_value=context,
                operation_name=request.operation_name,
                operation_extensions=request.extensions,
            )
        first = True
        async with aclosing(results):
            async for result in results:
                if not first:
                    result.extensions = None  # the cost is told once, not with every token
                yield result
                first = False
                context.renew_loaders()

    async def finish(self, work: Coroutine[Any, Any, ExecutionResult]) -> ExecutionResult:
        """Return the result of `work`, which goes on to its end when the caller is cancelled."""
        task = asyncio.create_task(work)
        self._detached.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._detached.discard(task)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, Refused):
            logger.error("unexpected error", exc_info=error)

    async def drain(self) -> None:
        """Wait until the mutations whose callers went away have ended."""
        while self._detached:
            await asyncio.wait(self._detached)


def _prepared(text: str, limits: DocumentLimits) -> Prepared | None:
    try:
        return prepared_document(text, limits)
    except GraphQLSyntaxError:
        return None


def _operation(prepared: Prepared | None, name: str | None) -> OperationDefinitionNode | None:
    return prepared.operation(name) if prepared else None


def not_allowed(kind: OperationType) -> Refused:
    """Return the refusal of an operation that the way it came does not allow."""
    if kind is OperationType.SUBSCRIPTION:
        return Refused("Subscriptions need a WebSocket, or `Accept: text/event-stream`.")
    return Refused("Mutations need POST.", status=405, headers={"Allow": "POST"})


def unauthenticated(message: str) -> Refused:
    """Return the refusal of somebody who showed no credential, or a wrong one."""
    return Refused(
        message, code="UNAUTHENTICATED", status=401, headers={"WWW-Authenticate": 'Bearer realm="foretell"'}
    )


def payload(result: ExecutionResult, context: Context) -> Payload:
    """Return the response for a result; a request error has no `data`, as the specification demands."""
    shown: Payload = {}
    if result.errors:
        shown["errors"] = presented(result.errors, context.request_id, suggest=context.limits.introspection)
    if not is_request_error(result):
        data = result.data
        shown["data"] = orjson.Fragment(data.text) if isinstance(data, SharedData) else data
    if result.extensions:
        shown["extensions"] = result.extensions
    return shown


def shared_data(result: ExecutionResult) -> str | None:
    """Return the `data`, as JSON, of a result that has nothing else and that others get, too; else None."""
    data = result.data
    if isinstance(data, SharedData) and not result.errors and not result.extensions:
        return data.text
    return None


def presented(errors: list[GraphQLError], request_id: str, *, suggest: bool = True) -> list[dict[str, Any]]:
    """Return the errors as the client sees them."""
    return [present(error, request_id, suggest=suggest) for error in errors]


def is_request_error(result: ExecutionResult) -> bool:
    """Tell whether the operation was refused before it ran, rather than failing at its root fields."""
    if result.data is not None or not result.errors:
        return False
    return all(error.path is None for error in result.errors)


def failure(error: Exception, request_id: str) -> Payload:
    """Return the response for what went wrong around an operation, with nothing of it told but a Refused."""
    shown = error.error if isinstance(error, Refused) else GraphQLError(MASKED, original_error=error)
    return {"errors": presented([shown], request_id)}


def encode(shown: Payload, request_id: str) -> bytes:
    """Return the response as JSON; a result that is no JSON becomes a masked error."""
    try:
        return orjson.dumps(shown)
    except TypeError as error:
        return orjson.dumps(failure(error, request_id))
