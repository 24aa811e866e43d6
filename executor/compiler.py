"""Plans on demand: from a document and a request's variables to a plan, once."""

from __future__ import annotations

from time import perf_counter
from typing import Any, NamedTuple

from graphql import DocumentNode, GraphQLError, GraphQLSchema, Undefined
from graphql.execution.values import VariableValues
from strawberry.schema.schema_converter import GraphQLCoreConverter

from executor.cache import CachedDocument, DocumentCache, Outcome
from executor.codegen import generate
from executor.document import DocumentOperation, read_operation
from executor.plan import Plan
from executor.planner import Planner
from executor.refusal import Refused
from executor.stats import Observer, Stats


class Prepared(NamedTuple):
    """A plan with the variables of one request; `seconds` is what compiling took now, 0.0 on a hit."""

    plan: Plan
    operation: DocumentOperation
    variables: VariableValues
    seconds: float


class Compiler:
    """Compiles the operations of one schema and keeps the plans."""

    def __init__(
        self,
        schema: GraphQLSchema,
        converter: GraphQLCoreConverter,
        *,
        max_documents: int,
        max_plans_per_document: int,
        max_fields: int,
        observer: Observer | None,
    ) -> None:
        self.stats = Stats()
        self.documents = DocumentCache(max_documents, max_plans_per_document)
        self._schema = schema
        self._converter = converter
        self._max_fields = max_fields
        self._observer = observer

    def prepare(
        self,
        document: DocumentNode,
        operation_name: str | None,
        raw_variables: dict[str, Any],
        *,
        wrapped: bool,
        max_errors: int,
        hide_suggestions: bool,
    ) -> Prepared | list[GraphQLError] | str:
        """Returns a plan with coerced variables, the errors of the variables, or the reason for no plan."""
        cached = self.documents.get(document)
        operation = cached.operations.get(operation_name) or self._read(cached, operation_name)
        if isinstance(operation, str):
            return operation
        variables = operation.variables.coerce(raw_variables, max_errors, hide_suggestions)
        if isinstance(variables, list):
            return variables
        switches = tuple(variables.coerced.get(name, Undefined) for name in operation.switches)
        key = (operation_name, switches, wrapped, hide_suggestions)
        outcome = cached.plans.get(key)
        seconds = 0.0
        if outcome is None:
            started = perf_counter()
            outcome = self._compile(operation, variables, wrapped, hide_suggestions)
            seconds = perf_counter() - started
            cached.keep_plan(key, outcome)
            self._count(outcome, seconds)
        else:
            self.stats.hits += 1
        return outcome if isinstance(outcome, str) else Prepared(outcome, operation, variables, seconds)

    def _compile(
        self, operation: DocumentOperation, variables: VariableValues, wrapped: bool, hide_suggestions: bool
    ) -> Outcome:
        planner = Planner(
            self._schema,
            self._converter,
            operation,
            variables,
            wrapped=wrapped,
            max_fields=self._max_fields,
            hide_suggestions=hide_suggestions,
        )
        try:
            steps = planner.steps()
            source = generate(planner.plans, self._converter.config.info_class)
        except Refused as refused:
            return str(refused)
        except GraphQLError:
            return "argument of @skip or @include"
        except RecursionError:
            return "nested too deeply"
        except Exception as error:
            return f"compiler failed: {type(error).__name__}"
        return Plan(operation.node, steps, tuple(planner.sites), source)

    def _count(self, outcome: Outcome, seconds: float) -> None:
        self.stats.misses += 1
        if isinstance(outcome, Plan):
            self.stats.compiled += 1
            self.stats.compile_seconds += seconds
            if self._observer is not None:
                self._observer.compiled(seconds, len(outcome.sites))

    def _read(self, cached: CachedDocument, name: str | None) -> DocumentOperation | str:
        operation: DocumentOperation | str
        try:
            operation = read_operation(self._schema, cached.document, name)
        except Refused as refused:
            operation = str(refused)
        except RecursionError:
            operation = "nested too deeply"
        cached.keep_operation(name, operation)
        return operation
