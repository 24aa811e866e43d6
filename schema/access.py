"""Access: every field that is resolved says which scope it needs, and is refused without it.

`ANYONE` is for those who are known at all, `PUBLIC` for everybody; of a set of scopes any one is enough. What
a field needs is kept in its metadata, where a test looks that no root field, mutation or subscription was
forgotten.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Literal, TypeVar, cast

import strawberry
from strawberry.types import get_object_definition
from strawberry.utils.str_converters import to_camel_case

from engine.errors import ForbiddenError
from engine.values import Scope
from executor import Bind, bound
from resolvers.context import Context
from schema.directives import SemanticNonNull

Resolver = TypeVar("Resolver", bound=Callable[..., Any])
Info = strawberry.Info[Context, None]

ANYONE: Literal["ANYONE"] = "ANYONE"
PUBLIC: Literal["PUBLIC"] = "PUBLIC"
Needed = Scope | frozenset[Scope] | Literal["ANYONE", "PUBLIC"]

NEVER_NULL_ALONE = SemanticNonNull()
"""For a field with a fetch of its own: one that fails leaves the rest of the answer as it is."""


def field(
    needed: Needed,
    description: str,
    *,
    directives: Sequence[object] = (),
    name: str | None = None,
    bind: Bind | None = None,
    reads: Sequence[str] | None = None,
) -> Callable[[Resolver], Any]:
    """Makes a field of an object or of the query root that needs a scope; its resolver takes `info`.

    `bind` does what the resolver does with what depends on the object left out: see `executor.bound`. `reads`
    are the columns of the object's row that the resolver reads; None: any, and lists have to read them all.
    """
    decorate = _decorator(strawberry.field, needed, description, directives, name, reads)
    return decorate if bind is None else lambda resolver: decorate(bound(_guarded(bind, needed))(resolver))


def derived(
    description: str, *, directives: Sequence[object] = (), reads: Sequence[str] | None = None
) -> Callable[[Resolver], Any]:
    """Makes a field that is found from what its parent has: who may see the parent may see it.

    `reads` is what it is of a `field`.
    """
    made = strawberry.field(description=description, directives=directives, metadata={"reads": reads})
    return cast(Callable[[Resolver], Any], made)


def mutation(
    needed: Needed, description: str, *, directives: Sequence[object] = (), name: str | None = None
) -> Callable[[Resolver], Any]:
    """Makes a mutation that needs a scope."""
    return _decorator(strawberry.mutation, needed, description, directives, name)


def subscription(
    needed: Needed, description: str, *, directives: Sequence[object] = (), name: str | None = None
) -> Callable[[Resolver], Any]:
    """Makes a subscription that needs a scope."""
    return _decorator(strawberry.subscription, needed, description, directives, name)


def require(context: Context, needed: Needed) -> None:
    """Returns if the viewer may.

    Raises:
        UnauthenticatedError: nobody is known.
        ForbiddenError: the key lacks the scope.
    """
    if needed == PUBLIC:
        return
    viewer = context.viewer
    enough = needed if isinstance(needed, frozenset) else {needed}
    if needed != ANYONE and viewer.scopes.isdisjoint(enough):
        raise ForbiddenError(f"This needs an API key with the scope {' or '.join(sorted(enough))}.")


def public_fields(root: type[Any]) -> frozenset[str]:
    """Returns the fields of a root, by their names in the schema, that need no credential."""
    fields = get_object_definition(root, strict=True).fields
    public = (field for field in fields if field.metadata.get("scope") == PUBLIC)
    return frozenset(field.graphql_name or to_camel_case(field.python_name) for field in public)


def _decorator(
    make: Callable[..., Any],
    needed: Needed,
    description: str,
    directives: Sequence[object],
    name: str | None,
    reads: Sequence[str] | None = None,
) -> Callable[[Resolver], Any]:
    def decorate(resolver: Resolver) -> Any:
        return make(
            resolver=_guarded(resolver, needed, changes=make is strawberry.mutation),
            description=description,
            directives=directives,
            name=name,
            metadata={"scope": needed, "reads": reads},
        )

    return decorate


def _guarded(resolver: Resolver, needed: Needed, *, changes: bool = False) -> Resolver:
    if inspect.iscoroutinefunction(resolver):

        @functools.wraps(resolver)
        async def guarded_async(*args: Any, info: Info, **kwargs: Any) -> Any:
            require(info.context, needed)
            result = await resolver(*args, info=info, **kwargs)
            if changes:
                info.context.loaders.registry.look_again()
            return result

        return cast(Resolver, guarded_async)

    if inspect.isasyncgenfunction(resolver):

        @functools.wraps(resolver)
        async def guarded_stream(*args: Any, info: Info, **kwargs: Any) -> AsyncGenerator[Any, None]:
            require(info.context, needed)
            async with aclosing(resolver(*args, info=info, **kwargs)) as events:
                async for event in events:
                    yield event

        return cast(Resolver, guarded_stream)

    @functools.wraps(resolver)
    def guarded(*args: Any, info: Info, **kwargs: Any) -> Any:
        require(info.context, needed)
        return resolver(*args, info=info, **kwargs)

    return cast(Resolver, guarded)
