"""What an operation selects below a field: for resolvers that fetch only the columns asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from graphql import (
    GraphQLObjectType,
    GraphQLResolveInfo,
    get_named_type,
    is_abstract_type,
    is_object_type,
)
from graphql.execution.collect_fields import FieldDetails, FragmentDetails, collect_subfields
from graphql.execution.values import VariableValues
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from executor.info import ResolveInfo
from executor.plan import AbstractShape, FieldSite, ListShape, ObjectPlan, ObjectShape, Shape


def selected(info: Info[Any, Any], *path: str) -> frozenset[str]:
    """Returns the Python names of the fields selected on the objects that a field returns.

    With a path, on the objects at the end of it: `selected(info, "edges", "node")`. Fragments are followed,
    @skip and @include respected, and what the possible types of an interface or union select is put
    together. Costs little where a plan runs, and works, more slowly, where graphql-core does.
    """
    raw: Any = info._raw_info
    if not isinstance(raw, ResolveInfo):
        return frozenset(_collected(raw, _details(raw.return_type, map(_detail, raw.field_nodes), raw), path))
    known = raw.site.selected
    found = known.get(path)
    if found is None:
        found = known[path] = frozenset(_planned(list(_plans(raw.site.shape)), path))
    return found


def _planned(plans: list[ObjectPlan], path: tuple[str, ...]) -> Iterator[str]:
    sites = [site for plan in plans for site in plan.sites]
    if path:
        below = [plan for site in sites if _name(site) == path[0] for plan in _plans(site.shape)]
        yield from _planned(below, path[1:])
        return
    yield from filter(None, map(_name, sites))


def _plans(shape: Shape) -> Iterator[ObjectPlan]:
    if isinstance(shape, ListShape):
        yield from _plans(shape.item)
    elif isinstance(shape, ObjectShape):
        yield shape.plan
    elif isinstance(shape, AbstractShape):
        yield from shape.plans.values()


def _name(site: FieldSite) -> str | None:
    return _python_name(site.strawberry_field)


def _python_name(field: object) -> str | None:
    return field.python_name if isinstance(field, StrawberryField) else None


_Fields = list[tuple[GraphQLObjectType, list[FieldDetails]]]


def _collected(raw: GraphQLResolveInfo[Any], fields: _Fields, path: tuple[str, ...]) -> Iterator[str]:
    for type_, details in fields:
        definition = raw.schema.get_field(type_, details[0].node.name.value)
        field = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF) if definition else None
        name = _python_name(field)
        if name is None or definition is None:
            continue
        if not path:
            yield name
        elif name == path[0]:
            yield from _collected(raw, _details(definition.type, details, raw), path[1:])


def _details(return_type: Any, details: Iterable[FieldDetails], raw: GraphQLResolveInfo[Any]) -> _Fields:
    """The fields of each object type that the return type can be."""
    named = get_named_type(return_type)
    possible: Iterable[GraphQLObjectType] = ()
    if is_object_type(named):
        possible = (named,)
    elif is_abstract_type(named):
        possible = raw.schema.get_possible_types(named)
    fragments = {name: FragmentDetails(definition, None) for name, definition in raw.fragments.items()}
    coerced: Any = raw.variable_values  # Strawberry shows the plain values
    variables = VariableValues({}, getattr(coerced, "coerced", coerced))
    group = list(details)
    return [
        (type_, fields)
        for type_ in possible
        for fields in collect_subfields(
            raw.schema, fragments, variables, raw.operation, type_, group
        ).grouped_field_set.values()
    ]


def _detail(node: Any) -> FieldDetails:
    return FieldDetails(node, None)
