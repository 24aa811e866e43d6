"""The response while it is made: its data, its errors, and which of its values are null because of them."""

from __future__ import annotations

from typing import Any

from graphql import ExecutionResult, GraphQLError

from executor.positions import NOWHERE, Keys, Position, keys_of


class Response:
    """Collects errors in graphql-core's order and lets them travel up to where a null may stand.

    A container (object or list) that was given up while it was completed is *detached*: what its values wait
    for is still awaited, as in graphql-core, but errors end there, and nothing above cancels it.
    """

    __slots__ = ("_detached", "_errors", "_nulled", "_root_is_detached", "data")

    def __init__(self) -> None:
        self.data: dict[str, Any] | None = None
        self._errors: list[GraphQLError] = []
        self._nulled: set[Keys] = set()
        self._detached: dict[int, Position] = {id(NOWHERE): NOWHERE}
        self._root_is_detached = False

    def result(self, data: dict[str, Any] | None) -> ExecutionResult:
        """Returns graphql-core's result with the data and the errors so far."""
        return ExecutionResult(data, self._errors or None)

    def add(self, error: GraphQLError, position: Position | None) -> None:
        """Reports an error that makes a position null; None stands for the whole response.

        Not if an earlier error has made it, or anything above it, null: then the value is gone already.
        """
        keys = keys_of(position)
        if not any(keys[:length] in self._nulled for length in range(len(keys) + 1)):
            self._nulled.add(keys)
            self._errors.append(error)

    def detach(self, position: Position | None) -> None:
        """Notes that the container at a position was given up."""
        if position is None:
            self._root_is_detached = True
        else:
            self._detached[id(position)] = position

    def is_detached(self, position: Position | None) -> bool:
        """Says whether the container at a position was given up."""
        return self._root_is_detached if position is None else id(position) in self._detached

    def is_cut_off(self, position: Position | None) -> bool:
        """Says whether any container around a position was given up."""
        while position is not None:
            position = position[0]
            if self.is_detached(position):
                return True
        return False

    def stands_under(self, position: Position, top: Position | None) -> bool:
        """Says whether a position is `top` or inside it, with nothing detached in between."""
        while position is not top:
            above = position[0]
            if self.is_detached(above):
                return False
            if above is None:
                return top is None
            position = above
        return True

    def bubble(self, error: GraphQLError, position: Position) -> Position | None:
        """Lets the error of a position that may not be null travel up, and reports it where it stops.

        Returns the highest position that it has passed or made null: nothing inside is needed any more.
        """
        while True:
            above = position[0]
            if self.is_detached(above):
                return position  # above it everything is null already
            if above is None or above[3]:
                self.add(error, above)
                self._write_null(above)
                return above
            position = above

    def write(self, position: Position, value: Any) -> None:
        """Puts a late value into its place, if that still exists."""
        container = self._container(position)
        if container is not None:
            container[position[1]] = value

    def _write_null(self, position: Position | None) -> None:
        if position is None:
            self.data = None
        else:
            self.write(position, None)

    def _container(self, position: Position) -> Any:
        above = position[0]
        if above is None:
            return self.data
        container = self._container(above)
        return None if container is None else container[above[1]]
