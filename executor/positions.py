"""Where a value stands in the response: a linked tuple, made without a call.

A position is `(previous, key, typename, nullable)`. `previous` is the position of the object or list that
holds the value, or None when that is the root object; `key` is a response key or a list index; `typename` is
the object type that owns the field, None for an index. `nullable` says whether a null may stand here: that is
where an error that travels upwards stops.

The generated code makes one tuple for each object and list it enters and shares it with everything inside, so
two values stand in the same container exactly when their `previous` is the same tuple.
"""

from __future__ import annotations

from typing import TypeAlias

from graphql.pyutils import Path

Position: TypeAlias = "tuple[Position | None, str | int, str | None, bool]"
Keys: TypeAlias = "tuple[str | int, ...]"

NOWHERE: Position = (None, "", None, True)
"""The container of values that belong to no response."""


def keys_of(position: Position | None) -> Keys:
    """Returns the keys from the root to the position, as an error's `path` shows them."""
    keys: list[str | int] = []
    while position is not None:
        keys.append(position[1])
        position = position[0]
    return tuple(reversed(keys))


def path_of(position: Position | None) -> Path | None:
    """Returns graphql-core's `Path` of the position, None for the root object."""
    steps: list[tuple[str | int, str | None]] = []
    while position is not None:
        steps.append((position[1], position[2]))
        position = position[0]
    path: Path | None = None
    for key, typename in reversed(steps):
        path = Path(path, key, typename)
    return path


def field_of(position: Position) -> Position:
    """Returns the position of the field whose (perhaps nested) list holds the position, or itself."""
    while position[2] is None and position[0] is not None:
        position = position[0]
    return position
