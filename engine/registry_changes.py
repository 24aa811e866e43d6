"""What a registry file would change, value by value, so that an operator can read it before it is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that changes: where it stands, what it was and what it becomes; None is none."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that `apply` did or would do: `add model`, `change version`, … of `breast-cancer/1`."""

    what: str
    name: str
    differences: tuple[Difference, ...] = ()
    """Empty where something is added."""


def differences(row: Any, columns: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Returns what of a row would have another value; of an object only the members that change."""
    return tuple(_between({name: getattr(row, name) for name in columns}, columns))


def _between(before: Mapping[str, Any], after: Mapping[str, Any], *place: str) -> Iterator[Difference]:
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _between(old, new, *place, name)
        elif old != new:
            yield Difference(".".join((*place, name)), old, new)


def named(found: tuple[Difference, ...], names: Mapping[str, str]) -> tuple[Difference, ...]:
    """Returns differences that say the names of what their values hold by id."""
    return tuple(
        replace(each, before=_told(each.before, names), after=_told(each.after, names)) for each in found
    )


def _told(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _told(member, names) for key, member in value.items()}
    if isinstance(value, list):
        return [_told(member, names) for member in value]
    return names.get(value, value) if isinstance(value, str) else value
