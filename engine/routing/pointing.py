"""Pointing: what an alias is to point at, as rows keep it, and what it can not be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from db.tables import ModelAliasRow
from engine.errors import ExpectedError, InvalidInputError, ManyErrors
from engine.names import ALIAS_NAME
from engine.values import AliasRequest

MAX_TARGETS = 10
MAX_WEIGHT = 10_000
INPUT = ("input",)


@dataclass(frozen=True, slots=True)
class Pointing:
    """What an alias points at, by ids of versions."""

    targets: tuple[tuple[str, int], ...]
    shadow: tuple[str, float] | None = None
    fallbacks: tuple[str, ...] = ()

    def columns(self) -> dict[str, Any]:
        """Returns it as rows keep it."""
        shadow = self.shadow
        return {
            "targets": [{"version_id": version_id, "weight": weight} for version_id, weight in self.targets],
            "shadow": None if shadow is None else {"version_id": shadow[0], "sample_rate": shadow[1]},
            "fallbacks": list(self.fallbacks),
        }

    def is_that_of(self, row: ModelAliasRow) -> bool:
        """Tells whether an alias is there and points there already."""
        return row.deleted_at is None and all(
            getattr(row, name) == value for name, value in self.columns().items()
        )


def problems(request: AliasRequest) -> Iterable[InvalidInputError]:
    """Finds what is wrong with a request, before its versions are known."""
    if not re.fullmatch(ALIAS_NAME, request.name):
        message = "An alias is 1 to 64 lower-case letters, digits, `.`, `_` and `-`, not at its ends."
        yield InvalidInputError(
            message, path=(*INPUT, "name"), constraint=ALIAS_NAME, received=request.name[:100]
        )
    for name, listed, least in (("targets", request.targets, 1), ("fallbacks", request.fallbacks, 0)):
        if not least <= len(listed) <= MAX_TARGETS:
            message = f"There are {least} to {MAX_TARGETS} {name}."
            constraint = f"minItems: {least}, maxItems: {MAX_TARGETS}"
            received = len(listed)
            yield InvalidInputError(message, path=(*INPUT, name), constraint=constraint, received=received)
    for at, (_, weight) in enumerate(request.targets):
        if not 0 <= weight <= MAX_WEIGHT:
            message = f"A weight is from 0 to {MAX_WEIGHT}."
            constraint = f"minimum: 0, maximum: {MAX_WEIGHT}"
            place = (*INPUT, "targets", at, "weight")
            yield InvalidInputError(message, path=place, constraint=constraint, received=weight)
    if request.targets and not any(weight for _, weight in request.targets):
        message = "One target at least has a weight above 0."
        yield InvalidInputError(message, path=(*INPUT, "targets"), constraint="sum > 0")
    if request.shadow is not None and not 0 < request.shadow[1] <= 1:
        message = "A sample rate is above 0, at most 1."
        path = (*INPUT, "shadow", "sampleRate")
        rate = request.shadow[1]
        yield InvalidInputError(message, path=path, constraint="0 < sampleRate <= 1", received=rate)


def repetitions(pointing: Pointing) -> Iterable[InvalidInputError]:
    """Finds the versions that stand where they can not stand too."""
    targets = [version_id for version_id, _ in pointing.targets]
    for name, ids in (("targets", targets), ("fallbacks", list(pointing.fallbacks))):
        if any(count > 1 for count in Counter(ids).values()):
            message = f"A version stands in the {name} once."
            yield InvalidInputError(message, path=(*INPUT, name), constraint="uniqueItems")
    if pointing.shadow is not None and pointing.shadow[0] in targets:
        message = "The shadow is a version that is no target: the targets answer already."
        yield InvalidInputError(message, path=(*INPUT, "shadow", "version"), constraint="not in targets")


def raise_all(wrong: Iterable[InvalidInputError]) -> None:
    """Returns if nothing is wrong.

    Raises:
        InvalidInputError, ManyErrors: it is.
    """
    found: list[ExpectedError] = list(wrong)
    if len(found) == 1:
        raise found[0]
    if found:
        raise ManyErrors(found)
