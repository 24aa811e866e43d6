"""The plan of an operation: which fields of which types, where each value comes from, what shape it has.

    Plan ── steps ──> ObjectPlan ── sites ──> FieldSite ── source ──> Attribute | Default | Constant | Event |
                          ^                       |                   Call | Resolve
                          |                       └─── shape ───────> LeafShape | ObjectShape | ListShape |
                          └───────────────────────────────────────────────────────────┘         AbstractShape

`planner.py` builds it from a document, `codegen.py` turns it into functions, and the functions keep the
`FieldSite` of each field as their constant: for errors, for `info`, and for values that arrive later.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from graphql import (
    FieldNode,
    GraphQLAbstractType,
    GraphQLField,
    GraphQLLeafType,
    GraphQLObjectType,
    OperationDefinitionNode,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition

from executor.keeping import Bind
from executor.reading import Reading

if TYPE_CHECKING:
    from executor.operation import Operation
    from executor.positions import Position

Completer: TypeAlias = "Callable[[Any, Operation, Position, FieldSite], Any]"
"""Turns a resolved value into the value of the response, or raises what graphql-core would have raised."""

Conversion: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""Makes a resolver's keyword arguments of the coerced arguments of a field."""

Step: TypeAlias = "Callable[..., dict[str, Any]]"
"""A generated function: `(source, operation, position, site, checked)` to the object of the response."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """The value is an attribute of the source: a Strawberry field without a resolver."""

    name: str


@dataclass(frozen=True, slots=True)
class Default:
    """The value is what the schema's own `default_resolver` reads from the source."""

    getter: Callable[[Any, str], Any]
    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """The value is known when the plan is made: `__typename`."""

    value: str


@dataclass(frozen=True, slots=True)
class Event:
    """The value is the source itself: the root field of a subscription, which gets the event."""


@dataclass(frozen=True, slots=True)
class Call:
    """The value is what a Strawberry resolver returns, called without Strawberry's wrapper.

    Only where the wrapper would do nothing more than pass these parameters: no field extension, no
    permission, no exception handler, and arguments whose conversion is known.
    """

    function: Callable[..., Any]
    takes_self: bool
    source_names: tuple[str, ...]
    info_name: str | None
    is_coroutine: bool
    bind: Bind | None = None
    """See `keeping.bound`."""
    key: Reading | None = None
    """See `keeping.keyed`."""
    convert: Conversion | None = None
    """What makes the keyword arguments of the coerced values, where those are not handed on as they are.

    It may raise, as part of the call.
    """


@dataclass(frozen=True, slots=True)
class Resolve:
    """The value is what the field's `resolve` returns, called as graphql-core calls it.

    With `wrapped`, through the middleware of the operation (schema extensions that override `resolve`).
    """

    function: Callable[..., Any]
    is_coroutine: bool
    wrapped: bool = False


Source: TypeAlias = Attribute | Default | Constant | Event | Call | Resolve


@dataclass(frozen=True, slots=True)
class LeafShape:
    """A scalar or an enum."""

    type: GraphQLLeafType
    nullable: bool


@dataclass(frozen=True, slots=True)
class ObjectShape:
    """An object of one known type."""

    plan: ObjectPlan
    nullable: bool


@dataclass(frozen=True, slots=True)
class ListShape:
    """A list of another shape."""

    item: Shape
    nullable: bool


@dataclass(frozen=True, slots=True)
class AbstractShape:
    """An object of an interface or union type, with the plan for each possible type."""

    type: GraphQLAbstractType
    plans: Mapping[str, ObjectPlan]
    nullable: bool


Shape: TypeAlias = LeafShape | ObjectShape | ListShape | AbstractShape


@dataclass(slots=True, eq=False)
class FieldSite:
    """One field of one selection set: all that its errors, its `info` and its late values need."""

    index: int
    key: str
    parent_type: GraphQLObjectType
    definition: GraphQLField
    nodes: list[FieldNode]
    source: Source
    shape: Shape
    arguments: Arguments | None
    strawberry_field: Any
    complete: Completer = field(init=False)
    selected: dict[tuple[str, ...], frozenset[str]] = field(default_factory=dict)
    """What `selection.selected` has found out below it, by path."""

    @property
    def typename(self) -> str:
        """The name of the object type that owns the field."""
        return self.parent_type.name

    @property
    def nullable(self) -> bool:
        """Whether the field may be null, so that errors stop here."""
        return self.shape.nullable

    @property
    def label(self) -> str:
        """`Type.field`, as graphql-core's messages say it."""
        return f"{self.parent_type}.{self.nodes[0].name.value}"


@dataclass(slots=True, eq=False)
class Arguments:
    """How the arguments of one field are found.

    `constant` holds them where the document alone decides them. Else `read` is called: once per operation if
    `reusable` (all values immutable), or for each object, as graphql-core does.
    """

    read: Callable[[Operation], dict[str, Any]]
    reusable: bool
    constant: dict[str, Any] | None = None


@dataclass(slots=True, eq=False)
class ObjectPlan:
    """The selection set of one object type, with fields merged and in the order of the response."""

    index: int
    type: GraphQLObjectType
    sites: list[FieldSite]
    is_root: bool = False
    complete: Step = field(init=False)

    @property
    def reads_only(self) -> bool:
        """Whether only the object is asked: then one that never changes always gives the same."""
        return all(_asks_only_the_object(site) and _reads_only(site.shape) for site in self.sites)

    @property
    def origin(self) -> Any:
        """The class that objects are made of: of a concrete type the generic one, of others their own."""
        definition = self.type.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if not isinstance(definition, StrawberryObjectDefinition):
            return object
        return (definition.concrete_of or definition).origin

    @property
    def readings(self) -> dict[int, Reading]:
        """What can be read without the object's properties, by the index of the site; all of one base."""
        found: dict[int, Reading] = {}
        for site in self.sites:
            reading: object = None
            if isinstance(site.source, Attribute):
                reading = inspect.getattr_static(self.origin, site.source.name, None)
            elif isinstance(site.source, Call):
                reading = site.source.key
            if isinstance(reading, Reading) and all(reading.base == other.base for other in found.values()):
                found[site.index] = reading
        return found


def _asks_only_the_object(site: FieldSite) -> bool:
    source = site.source
    if isinstance(source, Call):
        return not source.is_coroutine and source.info_name is None and site.arguments is None
    return isinstance(source, Attribute | Constant)


def _reads_only(shape: Shape) -> bool:
    if isinstance(shape, ListShape):
        return _reads_only(shape.item)
    return isinstance(shape, LeafShape) or (isinstance(shape, ObjectShape) and shape.plan.reads_only)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """An operation ready to run: one step for a query or an event, one for each root field of a mutation."""

    operation: OperationDefinitionNode
    steps: tuple[ObjectPlan, ...]
    sites: tuple[FieldSite, ...]
    source_text: str

    @property
    def asks_for_info(self) -> bool:
        """Whether any field sees the context or its place in the response.

        If none does, all who run the plan with the same root value and variables get the same result, and one
        execution is enough for all of them (an event for its subscribers).
        """
        return any(
            isinstance(site.source, Resolve)
            or (isinstance(site.source, Call) and bool(site.source.info_name))
            for site in self.sites
        )
