"""The extension stack: whatever runs on the schema, however it came, is judged here before it executes.

A hook never raises: Strawberry loses what a hook raises on streams. A refusal is put into
`pre_execution_errors` instead, and a syntax error is left to the parser to report again.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Protocol
from weakref import WeakKeyDictionary

import strawberry
from graphql import GraphQLError, GraphQLSchema, OperationDefinitionNode
from strawberry.extensions import SchemaExtension
from strawberry.types.execution import ExecutionContext

from engine.errors import ForetellError
from schema.cost import CostRules
from schema.documents import DOCUMENTS, Prepared
from schema.inputs import count_values
from schema.limits import DocumentLimits, violations

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
    """Parses, measures, validates, prices and charges an operation, with all of it but the last cached."""

    prepared: Prepared | None = None

    def on_parse(self) -> Iterator[None]:
        """Put the parsed document where Strawberry looks for it before it parses."""
        execution = self.execution_context
        limits = _context(execution).limits
        execution.parse_options["max_tokens"] = limits.tokens
        with contextlib.suppress(GraphQLError):
            self.prepared = DOCUMENTS.prepare(execution.query or "", limits.tokens)
            execution.graphql_document = self.prepared.document
        yield

    async def on_validate(self) -> AsyncIterator[None]:
        """Refuse the operation by setting `pre_execution_errors`, or charge it."""
        execution = self.execution_context
        assert self.prepared is not None  # a document that does not parse does not come here
        execution.pre_execution_errors = await self._judge(self.prepared, execution)
        yield

    async def _judge(self, prepared: Prepared, execution: ExecutionContext) -> list[GraphQLError]:
        context = _context(execution)
        schema = execution.schema._schema  # what Strawberry's own extensions read
        operation = prepared.operation(execution._provided_operation_name)
        errors = oversized(prepared, context.limits) or prepared.validate(
            schema, suggest=context.limits.introspection
        )
        if errors:
            return errors
        if operation is None:
            text = "Name the operation to run: the document has several."
            return [refusal(text, "GRAPHQL_VALIDATION_FAILED")]
        return await self._price(prepared, operation, context)

    async def _price(
        self, prepared: Prepared, operation: OperationDefinitionNode, context: OperationContext
    ) -> list[GraphQLError]:
        execution, limits = self.execution_context, context.limits
        schema, variables = execution.schema._schema, execution.variables or {}
        if count_values(schema, operation, variables, limits.input_values) > limits.input_values:
            text = f"The variables hold more than {limits.input_values} values outside of JSON scalars."
            return [refusal(text, "DOCUMENT_LIMIT_EXCEEDED")]
        reckoning = prepared.cost(cost_rules(schema), operation, variables, limits.page)
        if reckoning.oversized:
            text = f"`{'`, `'.join(reckoning.oversized)}` can be at most {limits.page}."
            return [refusal(text, "BAD_USER_INPUT")]
        told: dict[str, object] = {"requested": _plain(reckoning.cost), "maximum": _plain(limits.cost)}
        execution.extensions_results["cost"] = told
        if reckoning.cost > limits.cost:
            text = f"The operation costs {reckoning.cost:g}; the limit is {limits.cost:g}."
            return [refusal(text, "COST_LIMIT_EXCEEDED", operation)]
        return await self._charge(reckoning.cost, context.throttle, told)

    async def _charge(
        self, cost: float, throttle: Throttle | None, told: dict[str, object]
    ) -> list[GraphQLError]:
        try:
            state = await throttle(cost) if throttle else None
        except ForetellError as error:
            return [GraphQLError(error.message, original_error=error)]
        if state is not None:
            told["throttle"] = state
        return []


class _NoContext:
    request_id = ""
    limits = DocumentLimits()
    throttle = None


def _context(execution: ExecutionContext) -> OperationContext:
    """Return the operation's context; limits hold for those who run the schema without one too."""
    context: OperationContext | None = execution.context
    return context if context is not None else _NoContext()


def oversized(prepared: Prepared, limits: DocumentLimits) -> list[GraphQLError]:
    """Return what is too large about a document's operations, and introspection where it is off.

    This comes before validation, which takes longer than measuring. A circle of fragments is left to it.
    """
    if prepared.circular:
        return []
    errors = []
    for size in prepared.sizes.values():
        errors += [refusal(text, "DOCUMENT_LIMIT_EXCEEDED") for text in violations(size, limits)]
        if size.introspects and not limits.introspection:
            errors.append(refusal("Introspection is off.", "GRAPHQL_VALIDATION_FAILED"))
    if not errors and prepared.comparisons > limits.comparisons:
        text = "The document repeats its fields too often; select each once."
        errors.append(refusal(text, "DOCUMENT_LIMIT_EXCEEDED"))
    return errors


def refusal(text: str, code: str, operation: OperationDefinitionNode | None = None) -> GraphQLError:
    """Return a request error with its code."""
    return GraphQLError(text, operation, extensions={"code": code})


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
