"""The extension stack: whatever runs on the schema, however it came, is judged here before it executes.

A hook never raises: Strawberry loses what a hook raises on streams. A refusal is put into
`pre_execution_errors` instead, and a syntax error is left to the parser to report again.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Protocol
from weakref import WeakKeyDictionary

import strawberry
from graphql import GraphQLError, GraphQLSchema, OperationDefinitionNode
from strawberry.extensions import SchemaExtension
from strawberry.types.execution import ExecutionContext
from strawberry.types.graphql import OperationType

from engine.errors import ForetellError
from schema.cost import CostRules
from schema.documents import DOCUMENTS
from schema.inputs import count_values
from schema.limits import DocumentLimits
from schema.prepared import Prepared, refusal

Throttle = Callable[[float], Awaitable[Mapping[str, object] | None]]
"""Charges an operation's cost and returns `{limit, remaining, restoreRatePerSecond, resetAt}`.

It raises RateLimitedError when the bucket does not hold that much.
"""


class OperationContext(Protocol):
    """What the schema reads from the context of an operation."""

    @property
    def request_id(self) -> str:
        """The id that logs, traces and answers share."""

    @property
    def limits(self) -> DocumentLimits:
        """The limits of this operation."""

    @property
    def throttle(self) -> Throttle | None:
        """How the operation's cost is charged; None: it is only told."""


_cost_rules: WeakKeyDictionary[GraphQLSchema, CostRules] = WeakKeyDictionary()


def cost_rules(schema: GraphQLSchema) -> CostRules:
    """Return the costs of a schema's fields, which are read once per schema."""
    if schema not in _cost_rules:
        _cost_rules[schema] = CostRules(schema)
    return _cost_rules[schema]


class Admission(SchemaExtension):
    """Parses, measures, validates, prices and charges an operation; all of it but the last is cached.

    What is refused is charged too, with no cost, as one request: or refusals would be free to ask for.
    It is all done in one hook before anything else, because each hook costs a request 10 µs.
    """

    async def on_operation(self) -> AsyncIterator[None]:
        """Put the parsed document and the verdict where Strawberry looks before it finds them out itself."""
        execution = self.execution_context
        limits = _context(execution).limits
        execution.parse_options["max_tokens"] = limits.tokens
        with contextlib.suppress(GraphQLError):
            prepared = DOCUMENTS.prepare(execution.query or "", limits.tokens)
            execution.graphql_document = prepared.document
            errors, cost = self._judge(prepared, execution)
            execution.pre_execution_errors = await self._charge(cost) or errors
        yield

    def _judge(self, prepared: Prepared, execution: ExecutionContext) -> tuple[list[GraphQLError], float]:
        """Return why the operation may not run, if it may not, and what is to be charged for it."""
        context = _context(execution)
        schema = execution.schema._schema  # what Strawberry's own extensions read
        errors = prepared.verdict(schema, context.limits)
        if errors:
            return errors, 0.0
        node = prepared.operation(execution._provided_operation_name)
        if node is None:
            text = "Name the operation to run: the document has several."
            return [refusal(text, "GRAPHQL_VALIDATION_FAILED")], 0.0
        operation = prepared.prepared_operation(schema, node)
        variables, limits = execution.variables or {}, context.limits
        if count_values(operation.typed, variables, limits.input_values) > limits.input_values:
            text = f"The variables hold more than {limits.input_values} values outside of JSON scalars."
            return [refusal(text, "DOCUMENT_LIMIT_EXCEEDED")], 0.0
        reckoning = prepared.cost(cost_rules(schema), operation, variables, limits.page)
        if reckoning.oversized:
            text = f"`{'`, `'.join(reckoning.oversized)}` can be at most {limits.page}."
            return [refusal(text, "BAD_USER_INPUT")], 0.0
        return self._price(reckoning.cost, node, limits.cost)

    def _price(
        self, cost: float, operation: OperationDefinitionNode, maximum: float
    ) -> tuple[list[GraphQLError], float]:
        told: dict[str, object] = {"requested": _plain(cost), "maximum": _plain(maximum)}
        execution = self.execution_context
        execution.extensions_results["cost"] = told
        if cost > maximum:
            text = f"The operation costs {cost:g}; the limit is {maximum:g}."
            return [refusal(text, "COST_LIMIT_EXCEEDED", operation)], 0.0
        runs = OperationType(operation.operation.value) in execution.allowed_operations
        return [], cost if runs else 0.0

    async def _charge(self, cost: float) -> list[GraphQLError]:
        """Charge an operation, and return why that could not be done, if it could not."""
        execution = self.execution_context
        throttle = _context(execution).throttle
        if throttle is None:
            return []
        try:
            state = await throttle(cost)
        except ForetellError as error:
            return [GraphQLError(error.message, original_error=error)]
        if state is not None and "cost" in execution.extensions_results:
            execution.extensions_results["cost"]["throttle"] = state
        return []


class _NoContext:
    request_id = ""
    limits = DocumentLimits()
    throttle = None


def _context(execution: ExecutionContext) -> OperationContext:
    """Return the operation's context; limits hold for those who run the schema without one too."""
    context: OperationContext | None = execution.context
    return context if context is not None else _NoContext()


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number


class ForetellSchema(strawberry.Schema):
    """A Strawberry schema that leaves reporting to the gate in `schema.errors`.

    Strawberry logs every error with its stack, also the client's own mistakes.
    """

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Do nothing: the gate sees every error later, and logs those that are ours."""


EXTENSIONS: tuple[Callable[[], SchemaExtension] | type[SchemaExtension], ...] = (Admission,)


def prepared_document(text: str, limits: DocumentLimits) -> Prepared:
    """Return the document as the extension will see it; raises GraphQLSyntaxError."""
    return DOCUMENTS.prepare(text, limits.tokens)


__all__ = [
    "EXTENSIONS",
    "Admission",
    "ForetellSchema",
    "OperationContext",
    "Throttle",
    "prepared_document",
]
