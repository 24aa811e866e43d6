"""Source: a job's file of items, read whole at submit and a chunk at a time later.

A million lines are checked with flat memory: what is kept of a line are eight bytes of its `customId`
and a part of its chunk's place. Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.errors import ExpectedError, InvalidInputError, ManyErrors
from engine.jobs.lines import Item, checked_item, stored_item
from engine.values import PredictionData

MAX_ITEMS = 1_000_000
MAX_LINE = 4 * 1024 * 1024
MAX_PROBLEMS = 100
CHUNK_BYTES = 1024 * 1024
BOM = b"\xef\xbb\xbf"

# A thread that never waits keeps the event loop from its turns for 5 ms at a time; this one lets it in.
LINES_PER_BREATH = 100
BREATH_SECONDS = 50e-6

Blocks = Callable[[], Iterator[bytes]]


@dataclass(slots=True)
class Part:
    """Where a chunk is: `size` items from `first` on, in the bytes from `start` up to `end`."""

    first: int
    size: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Place:
    """How problems of the source are told: the path of the argument, and what counts its items.

    Messages count from 1, because people read them; paths from `first`.
    """

    path: tuple[str, ...]
    noun: str = "Line"
    first: int = 1


@dataclass(slots=True)
class Survey:
    """What is in a source: its items, cut into parts, or everything that is wrong with it, up to 100."""

    total: int = 0
    parts: list[Part] = field(default_factory=list)
    problems: list[InvalidInputError] = field(default_factory=list)

    def require_sound(self, path: Sequence[str]) -> None:
        """Returns if nothing is wrong.

        Raises:
            InvalidInputError, ManyErrors: something is, or there is no item at all.
        """
        if len(self.problems) > 1:
            raise ManyErrors(self.problems)
        if self.problems:
            raise self.problems[0]
        if not self.total:
            raise InvalidInputError("There is no item in it.", path=path, constraint="minItems: 1")


def survey(
    blocks: Blocks,
    check: Callable[[PredictionData], None],
    place: Place,
    *,
    chunk_items: int,
    chunk_bytes: int = CHUNK_BYTES,
) -> Survey:
    """Reads a source from its beginning to its end; `check` raises for data that the model does not take.

    A chunk has `chunk_items` items, or as many as come before it has more than `chunk_bytes`.

    Raises:
        StorageError: the source can not be read.
    """
    found = Survey()
    names = _Names()
    for number, (start, end, line) in enumerate(_lines(blocks())):
        if found.total == MAX_ITEMS:
            message = f"There are more than {MAX_ITEMS} items."
            found.problems.append(
                InvalidInputError(message, path=place.path, constraint=f"maxItems: {MAX_ITEMS}")
            )
        if len(found.problems) >= MAX_PROBLEMS or found.total == MAX_ITEMS:
            break
        if number % LINES_PER_BREATH == 0:
            time.sleep(BREATH_SECONDS)
        if not line:
            continue
        try:
            names.add(_checked(line, check).custom_id, number)
        except ExpectedError as error:
            found.problems += _placed(error, number, place)
        _extend(found.parts, start, end, chunk_items, chunk_bytes)
        found.total += 1
    if not found.problems and names.may_repeat:
        found.problems = names.repeated(blocks, place)
    del found.problems[MAX_PROBLEMS:]
    return found


def read_items(data: bytes) -> list[Item]:
    """Returns the items in the bytes of a part."""
    return [stored_item(line) for line in data.split(b"\n") if line.strip()]


def _lines(blocks: Iterator[bytes]) -> Iterator[tuple[int, int, bytes]]:
    """Yields each line without its end, and where it starts and the next one does.

    A byte order mark at the beginning belongs to no line.
    """
    at, rest = 0, b""
    for block in blocks:
        joined = rest + block
        if at == 0 and joined.startswith(BOM):
            at, joined = len(BOM), joined[len(BOM) :]
        *whole, rest = joined.split(b"\n")
        for line in whole:
            end = at + len(line) + 1
            yield at, end, line.strip()
            at = end
        if len(rest) > MAX_LINE:
            yield at, at + len(rest), rest  # too long, whatever it is: `_checked` says so
            return
    if rest:
        yield at, at + len(rest), rest.strip()


def _checked(line: bytes, check: Callable[[PredictionData], None]) -> Item:
    if len(line) > MAX_LINE:
        message = f"It takes more than {MAX_LINE} bytes."
        raise InvalidInputError(message, path=(), constraint=f"maxLength: {MAX_LINE}")
    item = checked_item(line)
    check(item.data)
    return item


def _extend(parts: list[Part], start: int, end: int, chunk_items: int, chunk_bytes: int) -> None:
    """Adds an item to the last part, or to a new one when that has enough."""
    last = parts[-1] if parts else None
    if last is None or last.size >= chunk_items or end - last.start > chunk_bytes:
        first = last.first + last.size if last else 0
        parts.append(Part(first, 1, start, end))
    else:
        last.size += 1
        last.end = end


def _placed(error: ExpectedError, number: int, place: Place) -> list[InvalidInputError]:
    """Returns the problems of one line, each with where it is: the line, and the path within."""
    errors = error.errors if isinstance(error, ManyErrors) else (error,)
    line, counted = number + place.first, number + 1
    placed = []
    for each in errors:
        # The checker's paths are those of `predict`: ("input", "data", …).
        inner = (each.path or ())[1 if each.path and each.path[0] == "input" else 0 :]
        constraint = each.constraint if isinstance(each, InvalidInputError) else None
        received = each.received if isinstance(each, InvalidInputError) else None
        message = f"{place.noun} {counted}: {each.message}"
        path = (*place.path, str(line), *inner)
        placed.append(InvalidInputError(message, path=path, constraint=constraint, received=received))
    return placed


class _Names:
    """The custom ids of a source, as 64-bit hashes with a secret key of this process."""

    def __init__(self) -> None:
        self._hashes = array("q")
        self._lines = array("l")

    def add(self, name: str | None, line: int) -> None:
        """Notes the name of a line."""
        if name is not None:
            self._hashes.append(hash(name))
            self._lines.append(line)

    @property
    def may_repeat(self) -> bool:
        """Whether two names have the same hash."""
        return len(np.unique(np.asarray(self._hashes))) < len(self._hashes)

    def repeated(self, blocks: Blocks, place: Place) -> list[InvalidInputError]:
        """Returns the names that are there twice, read again from the lines whose hashes are."""
        hashes = np.asarray(self._hashes)
        _, index, counts = np.unique(hashes, return_inverse=True, return_counts=True)
        suspects = set(np.asarray(self._lines)[counts[index] > 1].tolist())
        first: dict[str, int] = {}
        problems: list[InvalidInputError] = []
        for number, (_, _, line) in enumerate(_lines(blocks())):
            if number not in suspects:
                continue
            name = stored_item(line).custom_id or ""
            if name in first:
                said = f"its customId {name!r} is that of {place.noun.lower()} {first[name] + 1}"
                message = f"{place.noun} {number + 1}: {said} already."
                path = (*place.path, str(number + place.first), "customId")
                problems.append(InvalidInputError(message, path=path, constraint="unique", received=name))
            first.setdefault(name, number)
            if len(problems) >= MAX_PROBLEMS:
                break
        return problems
