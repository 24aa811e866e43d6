"""The `info` of a resolver, made only where one asks for it, and its path only when that is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    OperationDefinitionNode,
)
from graphql.pyutils import Path
from graphql.type import GraphQLResolveInfoHelpers

from executor.positions import Position, field_of, path_of

if TYPE_CHECKING:
    from executor.operation import Operation
    from executor.plan import FieldSite


class ResolveInfo:
    """Has the attributes of Strawberry's own resolve info: graphql-core's, and `operation_extensions`.

    Made with the position of the field, or of an item in its list.
    """

    __slots__ = ("_operation", "_position", "context", "site")

    def __init__(self, operation: Operation, site: FieldSite, position: Position) -> None:
        self._operation = operation
        self.site = site
        self._position = position
        self.context = operation.context

    @property
    def field_name(self) -> str:
        """The name of the field, not its alias."""
        return self.site.nodes[0].name.value

    @property
    def field_nodes(self) -> list[FieldNode]:
        """All nodes that were merged into the field."""
        return self.site.nodes

    @property
    def return_type(self) -> GraphQLOutputType:
        """The type of the field, with its wrappers."""
        return self.site.definition.type

    @property
    def parent_type(self) -> GraphQLObjectType:
        """The object type that owns the field."""
        return self.site.parent_type

    @property
    def path(self) -> Path:
        """The path of the field in the response."""
        path = path_of(field_of(self._position))
        assert path is not None
        return path

    @property
    def schema(self) -> GraphQLSchema:
        """The schema, which knows its Strawberry schema."""
        return self._operation.schema

    @property
    def fragments(self) -> dict[str, FragmentDefinitionNode]:
        """The fragments of the document by name."""
        return self._operation.fragments

    @property
    def root_value(self) -> Any:
        """The root value of the operation; in a subscription the event."""
        return self._operation.root_value

    @property
    def operation(self) -> OperationDefinitionNode:
        """The operation's node in the document."""
        return self._operation.node

    @property
    def variable_values(self) -> dict[str, Any]:
        """The coerced variables by name."""
        return self._operation.variable_values.coerced

    @property
    def is_awaitable(self) -> Callable[[Any], bool]:
        """The test for awaitables that this execution uses."""
        return self._operation.is_awaitable

    @property
    def abort_signal(self) -> None:
        """Always None: an execution with an abort signal is left to graphql-core."""
        return

    @property
    def async_helpers(self) -> GraphQLResolveInfoHelpers:
        """Ways to await with the operation."""
        return self._operation.async_helpers

    @property
    def operation_extensions(self) -> dict[str, Any] | None:
        """The `extensions` that the client sent."""
        return self._operation.operation_extensions
