"""Random worlds: a Strawberry schema, and for each field of each object what its resolver will do.

A world is drawn as plain values (`World`), then built (`build`). What a field yields depends only on the
seed, the object's id, the field and the arguments, so every execution meets the same data and failures.
"""

from __future__ import annotations

import datetime
import decimal
import inspect
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from types import GenericAlias
from typing import Annotated, Any

import strawberry
from strawberry.extensions import FieldExtension, SchemaExtension
from strawberry.permission import BasePermission
from strawberry.scalars import JSON
from strawberry.types import Info

from tests.executor.conductor import Conductor, Later
from tests.executor.inputs import Box, Choice, Color
from tests.executor.outcomes import Outcomes

LEAVES: dict[str, Any] = {
    "Int": int,
    "Float": float,
    "String": str,
    "Boolean": bool,
    "ID": strawberry.ID,
    "Color": Color,
    "DateTime": datetime.datetime,
    "Decimal": decimal.Decimal,
    "JSON": JSON,
}

ARGUMENTS: dict[str, tuple[str, Any, Any]] = {
    "number": ("number", int, 3),
    "flag": ("flag", bool | None, None),
    "required": ("required", str | None, inspect.Parameter.empty),
    "color": ("color", Color, Color.GREEN),
    "numbers": ("numbers", list[int], inspect.Parameter.empty),
    "box": ("box", Box | None, None),
    "choice": ("choice", Choice | None, None),
}

MODES = (
    "attribute",
    "sync",
    "info",
    "async",
    "async info",
    "loader",
    "async loader",
    "allowed",
    "async allowed",
    "extended",
    "async extended",
    "later",
    "iterable",
)


@dataclass(frozen=True)
class Ref:
    """The type of a field: a named type, or a list of another."""

    nullable: bool
    name: str = ""
    item: Ref | None = None


@dataclass(frozen=True)
class FieldSpec:
    name: str
    mode: str
    ref: Ref
    argument: str = ""


@dataclass(frozen=True)
class TypeSpec:
    name: str
    kind: str
    fields: tuple[FieldSpec, ...] = ()
    interface: str = ""
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class World:
    """Types (each refers only to earlier ones), how often things fail (in percent), and the seed of it all.

    The last three types are the roots: subscription, mutation, query. With `middleware`, a schema extension
    stands around every resolver.
    """

    types: tuple[TypeSpec, ...]
    failures: int
    seed: int
    middleware: bool = False


@dataclass
class Run:
    """What happens in one execution: the context of the request."""

    conductor: Conductor
    outcomes: Outcomes
    calls: Counter[str] = field(default_factory=Counter)

    def result(self, source: Any, spec: FieldSpec, values: dict[str, Any]) -> tuple[str, Any]:
        """Counts the call, and returns its name and what the field yields. Raises if that is its outcome."""
        name = f"{source.oid}.{spec.name}{values or ''}"
        self.calls[name] += 1
        return name, self.outcomes.of_field(name, spec.ref, self)


@dataclass
class Root:
    """The root value."""

    run: Run
    oid: str = "root"


def build(world: World) -> strawberry.Schema:
    types: dict[str, Any] = {}
    for spec in world.types:
        types[spec.name] = _type(spec, types)
    *_, subscription, mutation, query = types.values()
    return strawberry.Schema(
        query=query,
        mutation=mutation,
        subscription=subscription,
        types=[types[spec.name] for spec in world.types if spec.kind == "object"],
        extensions=[Counting] if world.middleware else [],
    )


def classes_of(schema: strawberry.Schema) -> dict[str, Any]:
    """The Python classes of the objects by their GraphQL names."""
    return {
        name: getattr(concrete.definition, "origin", None)
        for name, concrete in schema.schema_converter.type_map.items()
    }


def _type(spec: TypeSpec, types: dict[str, Any]) -> Any:
    if spec.kind == "union":
        union = types[spec.members[0]]
        for member in spec.members[1:]:
            union = union | types[member]
        return Annotated[union, strawberry.union(spec.name)]
    namespace: dict[str, Any] = {"__annotations__": {}, "__getattr__": _reader(spec)}
    for each in spec.fields:
        if each.mode == "attribute":
            namespace["__annotations__"][each.name] = annotation(each.ref, types)
        else:
            namespace[each.name] = _resolved(each, types, is_subscription=spec.name == "Subscription")
    class_ = type(spec.name, (types[spec.interface],) if spec.interface else (), namespace)
    return strawberry.interface(class_) if spec.kind == "interface" else strawberry.type(class_)


def annotation(ref: Ref, types: dict[str, Any]) -> Any:
    if ref.item:
        inner: Any = list[annotation(ref.item, types)]  # type: ignore[misc]
    else:
        inner = LEAVES[ref.name] if ref.name in LEAVES else types[ref.name]
    return inner | None if ref.nullable else inner


def _reader(spec: TypeSpec) -> Callable[[Any, str], Any]:
    fields = {each.name: each for each in spec.fields}

    def read(self: Any, name: str) -> Any:
        if name not in fields:
            raise AttributeError(name)
        run: Run = self.__dict__["run"]
        return run.result(self, fields[name], {})[1]

    return read


def _resolved(spec: FieldSpec, types: dict[str, Any], *, is_subscription: bool) -> Any:
    function = _BODIES.get(spec.mode.removeprefix("async ").split()[0], _sync)(spec)
    if spec.mode.startswith("async"):
        function = _async(spec) if spec.mode != "async loader" else _async_loader(spec)
    parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    if spec.mode.endswith("info"):
        parameters.append(inspect.Parameter("info", inspect.Parameter.KEYWORD_ONLY, annotation=Info))
    if spec.argument:
        name, type_, default = ARGUMENTS[spec.argument]
        parameters.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=type_, default=default)
        )
    function.__name__ = spec.name
    returned: Any = annotation(spec.ref, types)
    if is_subscription:
        returned = GenericAlias(AsyncIterator, (returned,))
    function.__signature__ = inspect.Signature(parameters, return_annotation=returned)
    if is_subscription:
        return strawberry.subscription(function)
    if spec.mode.endswith("allowed"):
        return strawberry.field(function, permission_classes=[Allowed])
    if spec.mode.endswith("extended"):
        return strawberry.field(function, extensions=[Passing()])
    return strawberry.field(function)


def _called(spec: FieldSpec, source: Any, values: dict[str, Any]) -> tuple[Run, str, Any]:
    info = values.pop("info", None)
    run: Run = source.run
    if info is not None:
        assert info.context is run
        run.calls[f"{info.field_name} at {info.path.as_list()} of {info.path.typename}"] += 1
    return run, *run.result(source, spec, values)


def _sync(spec: FieldSpec) -> Any:
    def resolve(self: Any, **values: Any) -> Any:
        return _called(spec, self, values)[2]

    return resolve


def _async(spec: FieldSpec) -> Any:
    async def resolve(self: Any, **values: Any) -> Any:
        run, name, value = _called(spec, self, values)
        if not run.outcomes.is_immediate(name):
            await run.conductor.pause(name)
        return value

    return resolve


def _loader(spec: FieldSpec) -> Any:
    def resolve(self: Any, **values: Any) -> Any:
        run, name, value = _called(spec, self, values)
        return run.conductor.load(name, value)

    return resolve


def _async_loader(spec: FieldSpec) -> Any:
    async def resolve(self: Any, **values: Any) -> Any:
        run, name, value = _called(spec, self, values)
        return await run.conductor.load(name, value)

    return resolve


def _later(spec: FieldSpec) -> Any:
    def resolve(self: Any, **values: Any) -> Any:
        run, name, value = _called(spec, self, values)
        return Later(run.conductor, name, value)

    return resolve


def _iterable(spec: FieldSpec) -> Any:
    def resolve(self: Any, **values: Any) -> Any:
        run, name, value = _called(spec, self, values)
        return _items(run, name, value) if isinstance(value, list | tuple) else value

    return resolve


def _events(spec: FieldSpec) -> Any:
    async def resolve(self: Any, **values: Any) -> AsyncIterator[Any]:
        for index in range(3):
            source = Root(self.run, f"{self.oid}[{index}]")
            try:
                event = _called(spec, source, dict(values))[2]
            except Exception as error:
                event = error
            yield event

    return resolve


async def _items(run: Run, name: str, values: Any) -> AsyncIterator[Any]:
    for index, value in enumerate(values):
        if index % 2:
            await run.conductor.pause(f"{name}[{index}]")
        run.outcomes.perhaps_fail(f"{name}[{index}] of the iterable")
        yield value


_BODIES = {"events": _events, "loader": _loader, "later": _later, "iterable": _iterable}


class Allowed(BasePermission):
    """Refuses some fields of some objects."""

    message = "not yours"

    def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
        run: Run = source.run
        return not run.outcomes.fails(f"permission of {source.oid}.{info.field_name}")


class Counting(SchemaExtension):
    """Counts every field from around its resolver."""

    def resolve(self, _next: Callable[..., Any], root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
        info.context.calls[f"middleware at {info.path.as_list()}"] += 1
        return _next(root, info, *args, **kwargs)


class Passing(FieldExtension):
    """Changes nothing, whether the resolver is async or not."""

    def resolve(self, next_: Callable[..., Any], source: Any, info: Info, **kwargs: Any) -> Any:
        return next_(source, info, **kwargs)

    async def resolve_async(self, next_: Callable[..., Any], source: Any, info: Info, **kwargs: Any) -> Any:
        return await next_(source, info, **kwargs)
