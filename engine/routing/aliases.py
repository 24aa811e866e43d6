"""Aliases: moving them, whole and at once, with their history.

A project moves aliases of its own, on its models and on the operator's; the operator's are those of the
registry file, which every project sees that has none of the same name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from db.queries import aliases as queries
from db.session import Database
from db.tables import AliasChangeRow, ModelAliasRow, ModelVersionRow
from db.types import now
from engine.audit import Action, Actor, note
from engine.bus.base import Bus
from engine.catalog import Catalog, CatalogModel, CatalogVersion
from engine.definitions import ALIAS_NAME
from engine.errors import ConflictError, ExpectedError, InvalidInputError, ManyErrors
from engine.ids import global_id
from engine.revision import changing_registry
from engine.serving import Serving
from engine.values import AliasRequest, ServingStatus, VersionRef, Viewer

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
        """Tells whether an alias points there already."""
        return all(getattr(row, name) == value for name, value in self.columns().items())


class Aliases:
    """Moves the aliases of projects."""

    def __init__(self, database: Database, bus: Bus, catalog: Catalog, serving: Serving) -> None:
        self._database = database
        self._bus = bus
        self._catalog = catalog
        self._serving = serving

    async def set(self, viewer: Viewer, request: AliasRequest, actor: Actor) -> ModelAliasRow:
        """Makes an alias, or moves it, and returns it; one that points there already stays as it is.

        Every process that hears of it routes by it from then on, and all within seconds.

        Raises:
            NotFoundError: the project sees no such model or version.
            InvalidInputError, ManyErrors: the targets, the shadow or the fallbacks can not be these.
            ConflictError: the alias is at another revision than was expected, or a version is retired.
            DatabaseUnavailableError: nothing changed.
        """
        model = self._catalog.model(viewer, request.model)
        _raise_all(_problems(request))
        pointing = self._pointing(model, request)
        async with changing_registry(self._database, self._bus) as connection:
            stored = await queries.lock(connection, model.row.id, viewer.project_id, request.name)
            if stored is not None and pointing.is_that_of(stored):
                return stored
            _check_revision(request, stored)
            key = viewer.api_key_id
            owner = viewer.project_id
            row = await put(connection, model.row.id, owner, request.name, pointing, stored, key)
            await _note(connection, actor, model, row)
        await self._serving.look()
        return row

    def _pointing(self, model: CatalogModel, request: AliasRequest) -> Pointing:
        def found(ref: VersionRef, *steps: str | int) -> str:
            path = (*INPUT, *steps)
            return _usable(self._catalog.version(model, ref, path), path)

        shadow = request.shadow
        pointing = Pointing(
            tuple(
                (found(ref, "targets", at, "version"), weight)
                for at, (ref, weight) in enumerate(request.targets)
            ),
            None if shadow is None else (found(shadow[0], "shadow", "version"), shadow[1]),
            tuple(found(ref, "fallbacks", at) for at, ref in enumerate(request.fallbacks)),
        )
        _raise_all(_repetitions(pointing))
        return pointing


async def put(
    connection: AsyncConnection,
    model_id: str,
    project_id: str | None,
    name: str,
    pointing: Pointing,
    stored: ModelAliasRow | None,
    api_key_id: str | None = None,
) -> ModelAliasRow:
    """Stores what an alias points at from now on, one revision after what is stored, and returns it."""
    at, columns = now(), pointing.columns()
    revision = 1 if stored is None else stored.revision + 1
    named: dict[str, Any] = {
        "model_id": model_id,
        "project_id": project_id,
        "name": name,
        "revision": revision,
    }
    row = ModelAliasRow(**named, **columns, created_at=at, updated_at=at)
    if stored is not None:
        row.id, row.created_at = stored.id, stored.created_at
    change = AliasChangeRow(
        alias_id=row.id, revision=revision, api_key_id=api_key_id, changed_at=at, **columns
    )
    if stored is None:
        await queries.add(connection, row, change)
    else:
        await queries.move(connection, row.id, change, revision=revision, updated_at=at, **columns)
    return row


async def check_no_alias(connection: AsyncConnection, viewer: Viewer, version: ModelVersionRow) -> None:
    """Returns if no alias that the project sees leads to a version, as a target, shadow or fallback.

    Raises:
        ConflictError: one does.
    """
    for alias in await queries.of_models(connection, viewer.project_id, [version.model_id]):
        shadows = [alias.shadow] if alias.shadow is not None else []
        led = {each["version_id"] for each in (*alias.targets, *shadows)}
        if version.id in led.union(alias.fallbacks):
            message = f"The alias {alias.name!r} leads to it: move that first."
            raise ConflictError(message, path=(*INPUT, "id"))


async def _note(connection: AsyncConnection, actor: Actor, model: CatalogModel, row: ModelAliasRow) -> None:
    names = {version_id: version.row.version for version_id, version in model.versions.items()}
    await note(
        connection,
        actor,
        Action.ALIAS_MOVED,
        f"{model.row.name}/{row.name}",
        project_id=row.project_id,
        subject_id=global_id("Model", model.row.id),
        details={
            "revision": row.revision,
            "targets": {names[each["version_id"]]: each["weight"] for each in row.targets},
        },
    )


def _problems(request: AliasRequest) -> Iterable[InvalidInputError]:
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


def _repetitions(pointing: Pointing) -> Iterable[InvalidInputError]:
    targets = [version_id for version_id, _ in pointing.targets]
    for name, ids in (("targets", targets), ("fallbacks", list(pointing.fallbacks))):
        if any(count > 1 for count in Counter(ids).values()):
            message = f"A version stands in the {name} once."
            yield InvalidInputError(message, path=(*INPUT, name), constraint="uniqueItems")
    if pointing.shadow is not None and pointing.shadow[0] in targets:
        message = "The shadow is a version that is no target: the targets answer already."
        yield InvalidInputError(message, path=(*INPUT, "shadow", "version"), constraint="not in targets")


def _usable(version: CatalogVersion, path: tuple[str | int, ...]) -> str:
    if version.row.status == ServingStatus.RETIRED:
        raise ConflictError(f"{version.spec.name} is retired.", path=path)
    return version.row.id


def _check_revision(request: AliasRequest, stored: ModelAliasRow | None) -> None:
    current = 0 if stored is None else stored.revision
    if request.expected_revision is not None and request.expected_revision != current:
        message = f"The alias is at revision {current}." if current else "There is no such alias yet."
        path = (*INPUT, "expectedRevision")
        raise ConflictError(message, path=path, current_revision=current)


def _raise_all(problems: Iterable[InvalidInputError]) -> None:
    found: list[ExpectedError] = list(problems)
    if len(found) == 1:
        raise found[0]
    if found:
        raise ManyErrors(found)
