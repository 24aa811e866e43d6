"""What is done once instead of for each object: resolvers that are bound, objects that keep their answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from executor.plan import ObjectPlan
    from executor.reading import Reading

Resolver = TypeVar("Resolver", bound=Callable[..., Any])

Bind = Callable[..., Any]
"""From `info` and the arguments to a function from the object to the value; None: not in this operation."""

MAX_KEPT = 8


def bound(bind: Bind) -> Callable[[Resolver], Resolver]:
    """Marks a resolver that is not `async`, and takes `info`, as one of which most can be done once.

    A plan calls `bind(info, **arguments)` at the first object of a field, and then only what that returned,
    with each object. Together both have to do what the resolver does. If `bind` raises, that is the error of
    the field, and the next object asks again; if it returns None, the resolver is called as ever. The `info`
    is that of the first object.
    """

    def mark(resolver: Resolver) -> Resolver:
        resolver.__bind__ = bind  # type: ignore[attr-defined]
        return resolver

    return mark


def keyed(key: Reading) -> Callable[[Bind], Bind]:
    """Marks what a resolver is bound by as one that returns a mapping instead of a function.

    A plan looks up in it what `key` reads of each object.
    """

    def mark(bind: Bind) -> Bind:
        bind.__key__ = key  # type: ignore[attr-defined]
        return bind

    return mark


class Unchanging:
    """A base for types some of whose objects never change: they keep what is selected of them, completed.

    `completed` is None, or the dict of an object that will always have the same attributes, and whose
    resolvers return the same if they take nothing but the object. Selections that consist of those are then
    completed once, and the *same* dict stands in each response that shows the object, so nobody may change
    it. An object keeps the answers to the last few selections.
    """

    completed: dict[ObjectPlan, dict[str, Any]] | None = None

    def keep(self, plan: ObjectPlan, value: dict[str, Any]) -> None:
        """Keeps what a plan made of the object."""
        if self.completed is not None:
            if len(self.completed) >= MAX_KEPT:
                self.completed.clear()
            self.completed[plan] = value
