"""From a document to a plan: fields collected and merged per type, sources and shapes decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from graphql import (
    GraphQLAbstractType,
    GraphQLField,
    GraphQLList,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    OperationType,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.collect_fields import (
    CollectedFields,
    FieldDetails,
    GroupedFieldSet,
    collect_fields,
    collect_subfields,
)
from graphql.execution.values import VariableValues
from strawberry.schema.schema_converter import GraphQLCoreConverter

from executor.arguments import plan_arguments
from executor.document import DocumentOperation
from executor.plan import (
    AbstractShape,
    Constant,
    Conversion,
    FieldSite,
    LeafShape,
    ListShape,
    ObjectPlan,
    ObjectShape,
    Shape,
    Source,
)
from executor.refusal import Refused
from executor.resolvers import general, source_of

_INTROSPECTION = ("__schema", "__type")


class Planner:
    """Plans one operation for one set of switch values.

    With `wrapped`, every field goes through the middleware of the operation. More than `max_fields` fields
    (each counted once for each type it is read from) raise `Refused`, and so does all else that the executor
    does not know.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        converter: GraphQLCoreConverter,
        operation: DocumentOperation,
        variables: VariableValues,
        *,
        wrapped: bool,
        max_fields: int,
        hide_suggestions: bool = False,
    ) -> None:
        self._schema = schema
        self._converter = converter
        self._operation = operation
        self._variables = variables
        self._wrapped = wrapped
        self._max_fields = max_fields
        self._hide_suggestions = hide_suggestions
        self._objects: dict[tuple[str, tuple[int, ...]], ObjectPlan] = {}
        self.plans: list[ObjectPlan] = []
        self.sites: list[FieldSite] = []

    def steps(self) -> tuple[ObjectPlan, ...]:
        """Returns the plans of the root object: one, or for a mutation one for each root field in turn."""
        kind = self._operation.node.operation
        root = self._schema.get_root_type(kind)
        if root is None:
            raise Refused("no such root type")
        fields = self._checked(
            collect_fields(
                self._schema,
                self._operation.fragments,
                self._variables,
                root,
                self._operation.node,
                self._hide_suggestions,
            )
        )
        if kind is OperationType.MUTATION:
            return tuple(self._object(root, {key: details}, is_root=True) for key, details in fields.items())
        return (self._object(root, fields, is_root=True),)

    def _checked(self, collected: CollectedFields) -> GroupedFieldSet:
        if collected.new_defer_usages:
            raise Refused("incremental delivery")
        return collected.grouped_field_set

    def _object(
        self, type_: GraphQLObjectType, fields: GroupedFieldSet, *, is_root: bool = False
    ) -> ObjectPlan:
        sites = [self._site(type_, key, details) for key, details in fields.items()]
        plan = ObjectPlan(len(self.plans), type_, sites, is_root)
        self.plans.append(plan)
        return plan

    def _site(self, parent: GraphQLObjectType, key: str, details: list[FieldDetails]) -> FieldSite:
        name = details[0].node.name.value
        definition = self._schema.get_field(parent, name)
        if name in _INTROSPECTION:
            raise Refused("introspection")
        if definition is None:
            raise Refused("unknown field")
        source, conversion = self._source(parent, name, definition)
        site = FieldSite(
            index=len(self.sites),
            key=key,
            parent_type=parent,
            definition=definition,
            nodes=[detail.node for detail in details],
            source=source,
            shape=self._shape(definition.type, details),
            arguments=plan_arguments(definition, details[0].node, conversion, self._hide_suggestions),
            strawberry_field=definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF),
        )
        # the shape may have added sites of its own
        site.index = len(self.sites)
        self.sites.append(site)
        if len(self.sites) > self._max_fields:
            raise Refused("too many fields")
        return site

    def _source(
        self, parent: GraphQLObjectType, name: str, definition: GraphQLField
    ) -> tuple[Source, Conversion | None]:
        if self._wrapped:
            if definition.resolve is None:
                raise Refused("field without a resolver")
            return general(definition.resolve, wrapped=True), None
        if name == "__typename":
            return Constant(parent.name), None
        return source_of(self._converter, definition)

    def _shape(self, type_: GraphQLOutputType, details: list[FieldDetails]) -> Shape:
        nullable = not is_non_null_type(type_)
        if is_non_null_type(type_):
            type_ = type_.of_type
        if is_list_type(type_):
            return ListShape(
                self._shape(cast("GraphQLList[GraphQLOutputType]", type_).of_type, details), nullable
            )
        if is_leaf_type(type_):
            return LeafShape(type_, nullable)
        if is_abstract_type(type_):
            return AbstractShape(type_, self._possible(type_, details), nullable)
        if not is_object_type(type_):
            raise Refused("unknown kind of type")
        return ObjectShape(self._sub_object(type_, details), nullable)

    def _possible(self, type_: GraphQLAbstractType, details: list[FieldDetails]) -> Mapping[str, ObjectPlan]:
        if type_.resolve_type is None:
            raise Refused("abstract type without resolve_type")
        return {
            possible.name: self._sub_object(possible, details)
            for possible in self._schema.get_possible_types(type_)
        }

    def _sub_object(self, type_: GraphQLObjectType, details: list[FieldDetails]) -> ObjectPlan:
        """Plans a selection once for each type and set of nodes, however many ways lead there."""
        key = (type_.name, tuple(id(detail.node) for detail in details))
        plan = self._objects.get(key)
        if plan is None:
            collected = collect_subfields(
                self._schema,
                self._operation.fragments,
                self._variables,
                self._operation.node,
                type_,
                details,
                self._hide_suggestions,
            )
            plan = self._objects[key] = self._object(type_, self._checked(collected))
        return plan
