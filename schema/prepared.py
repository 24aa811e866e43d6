"""One document and all that was found out about it, each thing once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoFragmentCyclesRule,
    OperationDefinitionNode,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.types.graphql import OperationType

from schema.cost import CostRules, Reckoning, extent, reckon, slicing_variables
from schema.inputs import TypedVariable, typed_variables
from schema.limits import DocumentLimits, Size, violations
from schema.overlaps import comparisons

# Strawberry's rules take for granted that a document is valid by the specification's.
STRAWBERRY_RULES = (MaybeNullValidationRule,)

CACHED_COSTS = 64
"""How many costs of one document are kept, by the extents of its slicing variables."""
MAX_ERRORS = 25
"""How many mistakes validation finds before it gives up; nobody reads more."""


_KINDS = {kind.value: kind for kind in OperationType}


def kind_of(operation: OperationDefinitionNode) -> OperationType:
    """Return the type of an operation, as Strawberry calls it."""
    return _KINDS[operation.operation.value]


def refusal(text: str, code: str, operation: OperationDefinitionNode | None = None) -> GraphQLError:
    """Return a request error with its code."""
    return GraphQLError(text, operation, extensions={"code": code})


@dataclass(frozen=True, slots=True)
class PreparedOperation:
    """One operation, and which of its variables have to be looked at before it runs."""

    node: OperationDefinitionNode
    slicing: tuple[str, ...]
    """The variables that the cost depends on."""
    typed: tuple[TypedVariable, ...]
    """The variables that can hold many values."""


@dataclass(slots=True)
class Prepared:
    """A parsed and measured document; what depends on a schema is found out when it is first asked for."""

    document: DocumentNode
    tokens: int
    sizes: Mapping[str, Size]
    circular: bool
    """Whether a fragment spreads itself, however indirectly; then nothing else about it is looked at."""
    operations: Mapping[str, OperationDefinitionNode]
    _judged: tuple[GraphQLSchema, DocumentLimits, list[GraphQLError]] | None = None
    """The last verdict, and what it was made for: a process has one schema and one set of limits."""
    _prepared: dict[tuple[int, str], PreparedOperation] = field(default_factory=dict)
    _costs: dict[tuple[object, ...], Reckoning] = field(default_factory=dict)

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """Return the operation to run; None when the name is unknown, or left out where there are several."""
        if name:
            return self.operations.get(name)
        return next(iter(self.operations.values())) if len(self.operations) == 1 else None

    def verdict(self, schema: GraphQLSchema, limits: DocumentLimits) -> list[GraphQLError]:
        """Return what is wrong with the document: that it is too large, or else what validation says.

        The errors are shared between requests: do not change them.
        """
        judged = self._judged
        if judged is None or judged[0] is not schema or judged[1] is not limits:
            judged = schema, limits, self.oversize(limits) or self._validate(schema, limits)
            self._judged = judged
        return judged[2]

    def oversize(self, limits: DocumentLimits) -> list[GraphQLError]:
        """Return what is too large about the operations, and introspection where it is off.

        Measuring takes less than validation, which takes long for some documents. A circle of fragments is
        left to it.
        """
        if self.circular:
            return []
        errors = []
        for size in self.sizes.values():
            errors += [refusal(text, "DOCUMENT_LIMIT_EXCEEDED") for text in violations(size, limits)]
            if size.introspects and not limits.introspection:
                errors.append(refusal("Introspection is off.", "GRAPHQL_VALIDATION_FAILED"))
        if not errors and comparisons(self.document) > limits.comparisons:
            text = "The document repeats its fields too often; select each once."
            errors.append(refusal(text, "DOCUMENT_LIMIT_EXCEEDED"))
        return errors

    def _validate(self, schema: GraphQLSchema, limits: DocumentLimits) -> list[GraphQLError]:
        stages = ((NoFragmentCyclesRule,),) if self.circular else (specified_rules, STRAWBERRY_RULES)
        for rules in stages:
            errors = validate(
                schema, self.document, rules, max_errors=MAX_ERRORS, hide_suggestions=not limits.introspection
            )
            if errors:
                break
        for error in errors:
            error.extensions = {**(error.extensions or {}), "code": "GRAPHQL_VALIDATION_FAILED"}
        return errors

    def prepared_operation(self, schema: GraphQLSchema, node: OperationDefinitionNode) -> PreparedOperation:
        """Return one of the operations with its variables looked up; the document must be valid."""
        key = (id(schema), node.name.value if node.name else "")
        found = self._prepared.get(key)
        if found is None:
            found = PreparedOperation(node, slicing_variables(node), typed_variables(schema, node))
            self._prepared[key] = found
        return found

    def cost(
        self, rules: CostRules, operation: PreparedOperation, variables: Mapping[str, Any], page: int
    ) -> Reckoning:
        """Return the cost of one of the operations; the document must be valid."""
        extents = [extent(variables.get(name)) for name in operation.slicing]
        key = (id(rules), id(operation), page, *extents)
        found = self._costs.get(key)
        if found is None:
            if len(self._costs) >= CACHED_COSTS:
                self._costs.clear()
            found = self._costs[key] = reckon(rules, self.document, operation.node, variables, page)
        return found
