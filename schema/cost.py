"""What an operation costs, reckoned from `@cost` and `@listSize` before it runs.

The cost of a selection is the sum, over its fields, of the field's weight, the weights of its arguments and
the cost of what is selected inside, times the entries of every list around it. An object weighs 1, a scalar
and an enum 0, `__schema` 100 and `__type` 10 (what is selected inside them is free); `@cost` says otherwise.
A list has as many entries as its slicing argument says (a list given there counts its items), else its
assumed size, else 1. Parts under `@skip` and `@include` count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListTypeNode,
    ListValueNode,
    NamedTypeNode,
    NonNullTypeNode,
    OperationDefinitionNode,
    SelectionSetNode,
    TypeNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_composite_type,
)

from schema.directives import Cost, ListSize

INTROSPECTION_WEIGHTS = {"__schema": 100.0, "__type": 10.0, "__typename": 0.0}

HUGE = 10**9
"""More entries than this are not told apart, so that products of them stay finite."""

_DEFINITION = "strawberry-definition"


@dataclass(frozen=True, slots=True)
class FieldCost:
    """What one field of the schema costs, read from its directives."""

    weight: float
    arguments: Mapping[str, float]
    assumed_size: int = 1
    slicing_arguments: tuple[str, ...] = ()
    sized_fields: frozenset[str] = frozenset()
    type_name: str = ""


def field_cost(graphql_field: GraphQLField) -> FieldCost:
    """Return what the field's directives say, defaults filled in."""
    named_type = get_named_type(graphql_field.type)
    directives = _directives(graphql_field.extensions)
    size = next((found for found in directives if isinstance(found, ListSize)), None)
    return FieldCost(
        weight=_weight(directives, _type_weight(named_type)),
        arguments={
            name: weight
            for name, argument in graphql_field.args.items()
            if (weight := _weight(_directives(argument.extensions), 0.0)) != 0
        },
        assumed_size=(size and size.assumed_size) or 1,
        slicing_arguments=tuple((size and size.slicing_arguments) or ()),
        sized_fields=frozenset((size and size.sized_fields) or ()),
        type_name=named_type.name,
    )


def _directives(extensions: Mapping[str, Any]) -> Iterable[object]:
    return getattr(extensions.get(_DEFINITION), "directives", None) or ()


def _weight(directives: Iterable[object], default: float) -> float:
    return next((float(found.weight) for found in directives if isinstance(found, Cost)), default)


def _type_weight(named_type: GraphQLNamedType) -> float:
    return _weight(_directives(named_type.extensions), 1.0 if is_composite_type(named_type) else 0.0)


@dataclass(slots=True)
class CostRules:
    """The costs of a schema's fields, each read at its first use."""

    schema: GraphQLSchema
    _fields: dict[tuple[str, str], FieldCost | None] = field(default_factory=dict)

    def of(self, type_name: str, field_name: str) -> FieldCost | None:
        """Return the field's cost; None where the type has no such field, as a union has none."""
        key = (type_name, field_name)
        if key not in self._fields:
            fields = getattr(self.schema.get_type(type_name), "fields", {})
            self._fields[key] = field_cost(fields[field_name]) if field_name in fields else None
        return self._fields[key]


@dataclass(frozen=True, slots=True)
class Reckoning:
    """An operation's cost, and the slicing arguments that ask for more than a page."""

    cost: float
    oversized: tuple[str, ...]


def reckon(
    rules: CostRules,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
    page: int,
) -> Reckoning:
    """Return the cost of a valid operation.

    Linear in the document: a fragment is reckoned once for each set of sized fields it is spread under, which
    for a schema whose connections are all alike is twice.
    """
    return _Walk(rules, document, operation, variables, page).total()


class _Walk:
    def __init__(
        self,
        rules: CostRules,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any],
        page: int,
    ) -> None:
        self.rules = rules
        self.operation = operation
        self.variables = {**_default_values(operation), **variables}
        self.page = page
        self.fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self.spread: dict[tuple[str, frozenset[str]], tuple[float, float]] = {}
        self.oversized: list[str] = []

    def total(self) -> Reckoning:
        root = self.rules.schema.get_root_type(self.operation.operation)
        once, _ = self.selections(self.operation.selection_set, root.name if root else "", frozenset())
        return Reckoning(once, tuple(dict.fromkeys(self.oversized)))

    def selections(
        self, selection_set: SelectionSetNode, type_name: str, sized: frozenset[str]
    ) -> tuple[float, float]:
        """Return the cost of what counts once, and of the `sized` fields for one entry of theirs."""
        once = each = 0.0
        for selection in selection_set.selections:
            if isinstance(selection, FieldNode):
                cost = self.field(selection, type_name)
                if selection.name.value in sized:
                    each += cost
                else:
                    once += cost
                continue
            if isinstance(selection, FragmentSpreadNode):
                more = self.fragment(selection.name.value, sized)
            else:
                assert isinstance(selection, InlineFragmentNode)
                condition = selection.type_condition
                inner = condition.name.value if condition else type_name
                more = self.selections(selection.selection_set, inner, sized)
            once, each = once + more[0], each + more[1]
        return once, each

    def fragment(self, name: str, sized: frozenset[str]) -> tuple[float, float]:
        key = (name, sized)
        if key not in self.spread:
            definition = self.fragments[name]
            self.spread[key] = self.selections(
                definition.selection_set, definition.type_condition.name.value, sized
            )
        return self.spread[key]

    def field(self, node: FieldNode, type_name: str) -> float:
        name = node.name.value
        if name in INTROSPECTION_WEIGHTS:
            return INTROSPECTION_WEIGHTS[name]
        rule = self.rules.of(type_name, name)
        if rule is None:
            return 0.0
        size = self.size(node, rule)
        own = rule.weight + sum(rule.arguments.get(given.name.value, 0.0) for given in node.arguments or ())
        once = each = 0.0
        if node.selection_set:
            once, each = self.selections(node.selection_set, rule.type_name, rule.sized_fields)
        return own + once + size * each if rule.sized_fields else size * (own + once)

    def size(self, node: FieldNode, rule: FieldCost) -> int:
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        for name in rule.slicing_arguments:
            asked = self.extent(given.get(name))
            if asked is not None:
                if asked > self.page:
                    self.oversized.append(name)
                return min(max(asked, 1), HUGE)
        return rule.assumed_size

    def extent(self, value: ValueNode | None) -> int | None:
        if isinstance(value, IntValueNode):
            return int(value.value)
        if isinstance(value, ListValueNode):
            return len(value.values)
        if isinstance(value, VariableNode):
            return extent(self.variables.get(value.name.value))
        return None


def extent(value: object) -> int | None:
    """Return how many entries a slicing argument of this value asks for; None when it does not say."""
    if isinstance(value, list):
        return len(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _default_values(operation: OperationDefinitionNode) -> dict[str, int]:
    return {
        definition.variable.name.value: int(definition.default_value.value)
        for definition in operation.variable_definitions or ()
        if isinstance(definition.default_value, IntValueNode)
    }


def slicing_variables(operation: OperationDefinitionNode) -> tuple[str, ...]:
    """Return the names of the variables that can reach a slicing argument: those of type Int, and lists.

    The cost of an operation depends on the extents of these and on nothing else in its variables.
    """
    return tuple(
        definition.variable.name.value
        for definition in operation.variable_definitions or ()
        if _can_slice(definition.type)
    )


def _can_slice(type_node: TypeNode) -> bool:
    if isinstance(type_node, NonNullTypeNode):
        type_node = type_node.type
    return isinstance(type_node, ListTypeNode) or (
        isinstance(type_node, NamedTypeNode) and type_node.name.value == "Int"
    )
