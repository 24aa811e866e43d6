"""The extension stack: whatever runs on the schema, however it came, is judged here before it executes.

A hook never raises: Strawberry loses what a hook raises on streams. A refusal is put into
`pre_execution_errors` instead, and a syntax error is left to the parser to report again.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import strawberry
from graphql import GraphQLError, GraphQLInputObjectType, GraphQLSchema, OperationDefinitionNode
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.execution import ExecutionContext

from engine.errors import ForetellError
from schema.cost import CostRules
from schema.documents import DOCUMENTS
from schema.inputs import count_values
from schema.limits import DocumentLimits
from schema.prepared import Prepared, kind_of, refusal

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
    found = _cost_rules.get(schema)
    if found is None:
        found = _cost_rules[schema] = CostRules(schema)
    return found


class Admission(SchemaExtension):
    """Parses, measures, validates, prices and charges an operation; all of it but the last is cached.

    It is all done in one hook before anything else, because each hook costs a request 10 µs.
    """

    async def on_operation(self) -> AsyncIterator[None]:
        """Put the parsed document and the verdict where Strawberry looks before it finds them out itself."""
        execution = self.execution_context
        context = _context(execution)
        execution.parse_options["max_tokens"] = context.limits.tokens
        with contextlib.suppress(GraphQLError):
            prepared = DOCUMENTS.prepare(execution.query or "", context.limits.tokens)
            execution.graphql_document = prepared.document
            execution.pre_execution_errors = await self._admit(prepared, context)
        yield

    async def _admit(self, prepared: Prepared, context: OperationContext) -> list[GraphQLError]:
        execution = self.execution_context
        schema = execution.schema._schema  # what Strawberry's own extensions read
        name, variables = execution._provided_operation_name, execution.variables or {}
        judged = judge(prepared, schema, context.limits, name, variables)
        if isinstance(judged, list):
            return await refuse(judged, context)
        execution.extensions_results["cost"] = told = judged.told(context.limits)
        if judged.cost <= context.limits.cost and kind_of(judged.node) not in execution.allowed_operations:
            return []
        return await charge(judged, context, told)


@dataclass(frozen=True, slots=True)
class Judged:
    """An operation that may run if its cost can be charged."""

    node: OperationDefinitionNode
    cost: float

    def told(self, limits: DocumentLimits) -> dict[str, object]:
        """Return what `extensions.cost` says of it."""
        return {"requested": _plain(self.cost), "maximum": _plain(limits.cost)}


def judge(
    prepared: Prepared,
    schema: GraphQLSchema,
    limits: DocumentLimits,
    name: str | None,
    variables: Mapping[str, Any],
) -> Judged | list[GraphQLError]:
    """Return the operation of a name with its cost, or what is wrong with it."""
    errors = prepared.verdict(schema, limits)
    if errors:
        return errors
    node = prepared.operation(name)
    if node is None:
        text = "Name the operation to run: the document has several."
        return [refusal(text, "GRAPHQL_VALIDATION_FAILED")]
    operation = prepared.prepared_operation(schema, node)
    if count_values(operation.typed, variables, limits.input_values) > limits.input_values:
        text = f"The variables hold more than {limits.input_values} values outside of JSON scalars."
        return [refusal(text, "DOCUMENT_LIMIT_EXCEEDED")]
    reckoning = prepared.cost(cost_rules(schema), operation, variables, limits.page)
    if reckoning.oversized:
        text = f"`{'`, `'.join(reckoning.oversized)}` can be at most {limits.page}."
        return [refusal(text, "BAD_USER_INPUT")]
    return Judged(node, reckoning.cost)


async def charge(judged: Judged, context: OperationContext, told: dict[str, object]) -> list[GraphQLError]:
    """Charge the cost of an operation, note in `told` what is left, and return why it may not run."""
    cost, maximum = judged.cost, context.limits.cost
    if cost > maximum:
        text = f"The operation costs {cost:g}; the limit is {maximum:g}."
        return await refuse([refusal(text, "COST_LIMIT_EXCEEDED", judged.node)], context)
    return await _throttle(cost, context, told)


async def refuse(errors: list[GraphQLError], context: OperationContext) -> list[GraphQLError]:
    """Count what is refused as a request, or it would be free to ask for; return why it is refused."""
    return await _throttle(0.0, context, {}) or errors


async def _throttle(cost: float, context: OperationContext, told: dict[str, object]) -> list[GraphQLError]:
    if context.throttle is None:
        return []
    try:
        state = await context.throttle(cost)
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


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number


class ForetellSchema(strawberry.Schema):
    """A Strawberry schema that leaves reporting to the gate in `schema.errors`.

    Strawberry logs every error with its stack, also the client's own mistakes. And it checks oneOf inputs
    itself, with an error that names no place; graphql-core's names it.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for type_ in self._schema.type_map.values():
            if isinstance(type_, GraphQLInputObjectType) and _is_one_of(type_):
                type_.is_one_of = True
                type_.out_type = GraphQLInputObjectType.out_type  # type: ignore[method-assign]

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Do nothing: the gate sees every error later, and logs those that are ours."""


def _is_one_of(type_: GraphQLInputObjectType) -> bool:
    definition = type_.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return definition is not None and definition.is_one_of


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
