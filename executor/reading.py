"""Properties that say what they read, so that a plan reads it itself."""

from __future__ import annotations

from collections.abc import Callable
from keyword import iskeyword
from operator import attrgetter
from typing import Any


class Reading(property):
    """A property that is an attribute of another attribute: `base`, which is read once for each object.

    It is the first of `names` that there is, as `convert` makes it where that is given. A plan reads it
    without the property's call, from objects of exactly the Strawberry type's class; `base` must be a plain
    attribute, `convert` a function of the value alone. What that raises is raised by the property, too.

    Raises:
        ValueError: a name is no identifier; it stands in the source of plans.
    """

    def __init__(self, base: str, *names: str, convert: Callable[[Any], Any] | None = None) -> None:
        if not all(name.isidentifier() and not iskeyword(name) for name in (base, *names)):
            raise ValueError(f"{(base, *names)} are not all names of attributes")
        super().__init__(_getter(base, names, convert))
        self.base = base
        self.names = names
        self.convert = convert


def _getter(base: str, names: tuple[str, ...], convert: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    *tried, last = [attrgetter(f"{base}.{name}") for name in names]
    if convert is None and not tried:
        return last

    def get(source: Any) -> Any:
        for read in tried:
            try:
                value = read(source)
                break
            except AttributeError:
                continue
        else:
            value = last(source)
        return value if convert is None else convert(value)

    return get
