"""Documents read once: parsed, measured and validated at their first use, then kept.

Requests repeat few documents. What depends on the text alone is kept in one bounded cache; what depends on
the variables too is reckoned per request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cachetools import LRUCache
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoFragmentCyclesRule,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from schema.cost import CostRules, Reckoning, extent, reckon, slicing_variables
from schema.limits import Size, measure
from schema.overlaps import comparisons

RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)

CACHED_TOKENS = 100_000
"""How many tokens of documents are kept parsed; a token's part of the tree takes up to 0.5 KB."""
CACHED_COSTS = 64
"""How many costs of one document are kept, by the extents of its slicing variables."""
MAX_ERRORS = 25
"""How many mistakes validation finds before it gives up; nobody reads more."""


@dataclass(slots=True)
class Prepared:
    """One document and all that was found out about it."""

    document: DocumentNode
    tokens: int
    sizes: Mapping[str, Size]
    circular: bool
    """Whether a fragment spreads itself, however indirectly; then nothing else about it is looked at."""
    operations: Mapping[str, OperationDefinitionNode]
    _comparisons: float | None = None
    _errors: dict[tuple[int, bool], list[GraphQLError]] = field(default_factory=dict)
    _costs: LRUCache[tuple[object, ...], Reckoning] = field(default_factory=lambda: LRUCache(CACHED_COSTS))

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """Return the operation to run; None when the name is unknown, or left out where there are several."""
        if name:
            return self.operations.get(name)
        return next(iter(self.operations.values())) if len(self.operations) == 1 else None

    def validate(self, schema: GraphQLSchema, *, suggest: bool) -> list[GraphQLError]:
        """Return what the schema says against the document, from the second time on without asking it.

        The errors carry the code GRAPHQL_VALIDATION_FAILED and are shared: do not change them.
        """
        key = (id(schema), suggest)
        if key not in self._errors:
            rules = (NoFragmentCyclesRule,) if self.circular else RULES
            errors = validate(
                schema, self.document, rules, max_errors=MAX_ERRORS, hide_suggestions=not suggest
            )
            for error in errors:
                error.extensions = {**(error.extensions or {}), "code": "GRAPHQL_VALIDATION_FAILED"}
            self._errors[key] = errors
        return self._errors[key]

    @property
    def comparisons(self) -> float:
        """How many pairs of fields validation has to compare; see `schema.overlaps`."""
        if self._comparisons is None:
            self._comparisons = 0 if self.circular else comparisons(self.document)
        return self._comparisons

    def cost(
        self,
        rules: CostRules,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any],
        page: int,
    ) -> Reckoning:
        """Return the cost of one of the operations; call it only when the document is valid."""
        extents = [extent(variables.get(name)) for name in slicing_variables(operation)]
        key = (id(rules), operation.name and operation.name.value, page, *extents)
        found = self._costs.get(key)
        if found is None:
            found = self._costs[key] = reckon(rules, self.document, operation, variables, page)
        return found


class PreparedDocuments:
    """The documents used last, bounded by their tokens."""

    def __init__(self, capacity: int = CACHED_TOKENS) -> None:
        self._documents: LRUCache[tuple[str, int], Prepared] = LRUCache(
            capacity, getsizeof=lambda prepared: prepared.tokens
        )

    @property
    def tokens(self) -> float:
        """How many tokens are kept."""
        return self._documents.currsize

    def prepare(self, text: str, max_tokens: int) -> Prepared:
        """Return the parsed and measured document.

        Raises GraphQLSyntaxError, also when the document has more tokens than allowed or is nested more than
        200 levels deep; a document that is refused is not kept.
        """
        key = (text, max_tokens)
        found = self._documents.get(key)
        if found is not None:
            return found
        prepared = _prepare(text, max_tokens)
        if prepared.tokens <= self._documents.maxsize:
            self._documents[key] = prepared
        return prepared


def _prepare(text: str, max_tokens: int) -> Prepared:
    document = parse(text, max_tokens=max_tokens)
    measured = measure(document)
    return Prepared(
        document=document,
        tokens=_tokens(document),
        sizes=measured.operations,
        circular=measured.circular,
        operations={
            definition.name.value if definition.name else "": definition
            for definition in document.definitions
            if isinstance(definition, OperationDefinitionNode)
        },
    )


def _tokens(document: DocumentNode) -> int:
    count, token = 0, document.loc and document.loc.start_token
    while token:
        count, token = count + 1, token.next
    return count


DOCUMENTS = PreparedDocuments()
"""The process's cache: documents are the same for everybody, so their preparation is shared."""
