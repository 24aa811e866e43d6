"""Completion of objects, lists and abstract types: the parts that need no generated code.

A completer returns the value of the response. Where the value is not there yet it returns None, has told the
operation to wait, and the operation puts the value into its place later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, GraphQLObjectType, Undefined
from graphql.pyutils import inspect
from graphql.pyutils.is_iterable import is_iterable
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.cast import get_strawberry_type_cast

from executor.leaf import bulk_copier, leaf_completer, null_error
from executor.lists import collect, collected, complete_items
from executor.plan import (
    AbstractShape,
    Completer,
    FieldSite,
    LeafShape,
    ListShape,
    ObjectPlan,
    ObjectShape,
    Shape,
)

if TYPE_CHECKING:
    from executor.operation import Operation
    from executor.positions import Position

_IS_TYPE_OF = "GraphQLCoreConverter.from_object.<locals>._get_is_type_of.<locals>.is_type_of"
_RESOLVE_TYPE = (
    (
        GraphQLCoreConverter.__module__,
        "GraphQLCoreConverter.from_interface.<locals>._get_resolve_type.<locals>.resolve_type",
    ),
    ("strawberry.types.union", "StrawberryUnion.get_type_resolver.<locals>._resolve_union_type"),
)
_MAX_CLASSES = 16


def completer(shape: Shape) -> Completer:
    """Returns the completion of a shape; the object plans in it must have their functions already."""
    if isinstance(shape, LeafShape):
        return leaf_completer(shape.type, shape.nullable)
    if isinstance(shape, ListShape):
        return _list_completer(shape)
    if isinstance(shape, ObjectShape):
        return shape.plan.complete
    return _abstract_completer(shape)


def object_classes(type_: GraphQLObjectType) -> tuple[set[type], bool]:
    """Returns the classes whose instances are known to be of the type, and whether a cast may say otherwise.

    The set belongs to the plan, which adds the classes it meets. It stays empty for a type with an
    `is_type_of` of its own, because that may look at the instance.
    """
    if not _is_decided_by_class(type_):
        return set(), False
    classes = set()
    definition = type_.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if isinstance(definition, StrawberryObjectDefinition):
        origin = definition.origin
        if not issubclass(origin, Exception) and not hasattr(origin, "__await__"):
            classes.add(origin)
    return classes, type_.is_type_of is not None


def is_unusual(
    value: Any,
    operation: Operation,
    position: Position,
    site: FieldSite,
    plan: ObjectPlan,
    classes: set[type],
) -> bool:
    """Says whether a source ends here, as a null or later; raises if it is an error or of another type."""
    if is_null(value, position, site):
        return True
    if plan.type.is_type_of is not None:
        answer = plan.type.is_type_of(value, operation.info_at(site, position))
        if operation.is_awaitable(answer):
            operation.defer_at(answer, site, position, _checked_later(value, plan))
            return True
        if not answer:
            raise _wrong_type(plan.type, value, site)
    if (
        len(classes) < _MAX_CLASSES
        and _is_decided_by_class(plan.type)
        and get_strawberry_type_cast(value) is None
    ):
        classes.add(value.__class__)
    return False


def is_null(value: Any, position: Position, site: FieldSite) -> bool:
    """Says whether a value is a null that may stand at its position; raises if it may not, or is an error."""
    if isinstance(value, Exception):
        raise value
    if value is not None and value is not Undefined:
        return False
    if position[3]:
        return True
    raise null_error(site)


def _is_decided_by_class(type_: GraphQLObjectType) -> bool:
    is_type_of = type_.is_type_of
    return is_type_of is None or (
        is_type_of.__module__ == GraphQLCoreConverter.__module__ and is_type_of.__qualname__ == _IS_TYPE_OF
    )


def _checked_later(value: Any, plan: ObjectPlan) -> Completer:
    def complete(answer: Any, operation: Operation, position: Position, site: FieldSite) -> Any:
        if not answer:
            raise _wrong_type(plan.type, value, site)
        return plan.complete(value, operation, position, site, True)

    return complete


def _wrong_type(type_: GraphQLObjectType, value: Any, site: FieldSite) -> GraphQLError:
    return GraphQLError(f"Expected value of type '{type_}' but got: {inspect(value)}.", site.nodes)


def _list_completer(shape: ListShape) -> Completer:
    item = completer(shape.item)
    nullable = shape.item.nullable
    bulk = bulk_copier(shape.item.type, nullable) if isinstance(shape.item, LeafShape) else None

    def complete(value: Any, operation: Operation, position: Position, site: FieldSite) -> Any:
        if value.__class__ is list or value.__class__ is tuple:
            if bulk is not None and (copied := bulk(value)) is not None:
                return copied
        elif is_null(value, position, site):
            return None
        elif operation.is_async_iterable(value):
            operation.defer_at(
                collect(value, operation, position, site, item, nullable), site, position, collected
            )
            return None
        elif not is_iterable(value):
            raise GraphQLError(f"Expected Iterable, but did not find one for field '{site.label}'.")
        return complete_items(value, operation, position, site, item, nullable)

    return complete


def _abstract_completer(shape: AbstractShape) -> Completer:
    type_, plans = shape.type, shape.plans
    resolve_type = type_.resolve_type
    assert resolve_type is not None
    is_stock = (resolve_type.__module__, resolve_type.__qualname__) in _RESOLVE_TYPE
    known: dict[type, ObjectPlan] = {}

    def complete(value: Any, operation: Operation, position: Position, site: FieldSite) -> Any:
        plan = known.get(value.__class__)
        if plan is not None and get_strawberry_type_cast(value) is None:
            return plan.complete(value, operation, position, site)
        if is_null(value, position, site):
            return None
        name = resolve_type(value, operation.info_at(site, position), type_)
        if operation.is_awaitable(name):
            operation.defer_at(name, site, position, later(value))
            return None
        plan = chosen(name, value, operation, site)
        if is_stock and _defines(value.__class__, plan.type):
            known[value.__class__] = plan
        return plan.complete(value, operation, position, site)

    def later(value: Any) -> Completer:
        def complete_later(name: Any, operation: Operation, position: Position, site: FieldSite) -> Any:
            return chosen(name, value, operation, site).complete(value, operation, position, site)

        return complete_later

    def chosen(name: Any, value: Any, operation: Operation, site: FieldSite) -> ObjectPlan:
        plan = plans.get(name) if isinstance(name, str) else None
        if plan is None:
            raise _unresolved(shape, name, value, operation, site)
        return plan

    return complete


def _defines(class_: type, type_: GraphQLObjectType) -> bool:
    """Says whether the class itself, and no type parameter, makes its instances objects of the type."""
    definition = class_.__dict__.get("__strawberry_definition__")
    return definition is not None and definition is type_.extensions.get(
        GraphQLCoreConverter.DEFINITION_BACKREF
    )


def _unresolved(
    shape: AbstractShape, name: Any, value: Any, operation: Operation, site: FieldSite
) -> GraphQLError:
    """The error of a `resolve_type` that named no possible type, in graphql-core's words."""
    type_ = shape.type
    if name is None:
        message = (
            f"Abstract type '{type_}' must resolve to an Object type at runtime for field '{site.label}'."
            f" Either the '{type_}' type should provide a 'resolve_type' function"
            " or each possible type should provide an 'is_type_of' function."
        )
    elif not isinstance(name, str):
        message = (
            f"Abstract type '{type_}' must resolve to an Object type at runtime for field '{site.label}'"
            f" with value {inspect(value)}, received '{inspect(name)}',"
            " which is not a valid Object type name."
        )
    else:
        named = operation.schema.get_type(name)
        if named is None:
            message = (
                f"Abstract type '{type_}' was resolved to a type '{name}'"
                " that does not exist inside the schema."
            )
        elif not isinstance(named, GraphQLObjectType):
            message = f"Abstract type '{type_}' was resolved to a non-object type '{name}'."
        else:
            message = f"Runtime Object type '{named}' is not a possible type for '{type_}'."
    return GraphQLError(message, site.nodes)
