"""Aliases: moving them, whole and at once, and deleting them, with their history.

A project moves aliases of its own, on its models and on the operator's; the operator's are those of the
registry file, which every project sees that has none of the same name.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from db.queries import aliases as queries
from db.session import Database
from db.tables import AliasChangeRow, ModelAliasRow, ModelVersionRow
from db.types import now
from engine.audit import Action, Actor, note
from engine.bus.base import Bus
from engine.catalog import Catalog, CatalogModel, CatalogVersion
from engine.errors import ConflictError, NotFoundError
from engine.ids import global_id
from engine.revision import changing_registry
from engine.routing.pointing import INPUT, Pointing, problems, raise_all, repetitions
from engine.serving import Serving
from engine.values import AliasDeletion, AliasRequest, ServingStatus, VersionRef, Viewer


class Aliases:
    """Moves and deletes the aliases of projects."""

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
        raise_all(problems(request))
        pointing = self._pointing(model, request)
        async with changing_registry(self._database, self._bus) as connection:
            stored = await queries.lock(connection, model.row.id, viewer.project_id, request.name)
            if stored is not None and pointing.is_that_of(stored):
                return stored
            _check_revision(request.expected_revision, stored)
            key = viewer.api_key_id
            owner = viewer.project_id
            row = await put(connection, model.row.id, owner, request.name, pointing, stored, key)
            names = {version_id: version.row.version for version_id, version in model.versions.items()}
            targets = {names[version_id]: weight for version_id, weight in pointing.targets}
            details = {"revision": row.revision, "targets": targets}
            await _note(connection, actor, Action.ALIAS_MOVED, model, row, details)
        await self._serving.look()
        return row

    async def delete(self, viewer: Viewer, request: AliasDeletion, actor: Actor) -> ModelAliasRow:
        """Deletes an alias of the project, and returns it as it was; by its id it is still found.

        No request that comes after is routed by it; an alias of the operator of that name is seen again.

        Raises:
            NotFoundError: the project sees no such model, or has no such alias.
            ConflictError: the alias is the operator's, or at another revision than was expected.
            DatabaseUnavailableError: nothing changed.
        """
        model = self._catalog.model(viewer, request.model)
        async with changing_registry(self._database, self._bus) as connection:
            stored = await queries.lock(connection, model.row.id, viewer.project_id, request.name)
            if stored is None or stored.deleted_at is not None:
                raise await _missing(connection, model, request.name)
            _check_revision(request.expected_revision, stored)
            revision = await _mark_deleted(connection, stored, viewer.api_key_id)
            (row,) = await queries.by_id(connection, viewer.project_id, [stored.id])
            await _note(connection, actor, Action.ALIAS_DELETED, model, row, {"revision": revision})
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
        raise_all(repetitions(pointing))
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
        changes = {"revision": revision, "updated_at": at, "deleted_at": None, **columns}
        await queries.change(connection, row.id, change, **changes)
    return row


async def _mark_deleted(connection: AsyncConnection, stored: ModelAliasRow, api_key_id: str | None) -> int:
    """Marks an alias as deleted, and returns the revision of that.

    What it pointed at stays in its row: what predictions that came by it used is read from there.
    """
    at, revision = now(), stored.revision + 1
    entry = AliasChangeRow(alias_id=stored.id, revision=revision, api_key_id=api_key_id, changed_at=at)
    await queries.change(connection, stored.id, entry, revision=revision, updated_at=at, deleted_at=at)
    return revision


async def _missing(
    connection: AsyncConnection, model: CatalogModel, name: str
) -> NotFoundError | ConflictError:
    path = (*INPUT, "name")
    if await queries.lock(connection, model.row.id, None, name) is not None:
        return ConflictError(f"The alias {name!r} is the operator's, in the registry file.", path=path)
    return NotFoundError(f"The model {model.row.name!r} has no alias {name!r}.", path=path)


async def check_no_alias(connection: AsyncConnection, viewer: Viewer, version: ModelVersionRow) -> None:
    """Returns if no alias that the project sees leads to a version, as a target, shadow or fallback.

    Raises:
        ConflictError: one does.
    """
    for alias in await queries.of_models(connection, viewer.project_id, [version.model_id]):
        shadows = [alias.shadow] if alias.shadow is not None else []
        led = {each["version_id"] for each in (*alias.targets, *shadows)}
        if version.id in led.union(alias.fallbacks):
            message = f"The alias {alias.name!r} leads to it: move or delete that first."
            raise ConflictError(message, path=(*INPUT, "id"))


async def _note(
    connection: AsyncConnection,
    actor: Actor,
    action: Action,
    model: CatalogModel,
    row: ModelAliasRow,
    details: dict[str, Any],
) -> None:
    subject = f"{model.row.name}/{row.name}"
    subject_id = global_id("Model", model.row.id)
    project_id = row.project_id
    await note(
        connection, actor, action, subject, project_id=project_id, subject_id=subject_id, details=details
    )


def _usable(version: CatalogVersion, path: tuple[str | int, ...]) -> str:
    if version.row.status == ServingStatus.RETIRED:
        raise ConflictError(f"{version.spec.name} is retired.", path=path)
    return version.row.id


def _check_revision(expected: int | None, stored: ModelAliasRow | None) -> None:
    current = 0 if stored is None or stored.deleted_at is not None else stored.revision
    if expected is not None and expected != current:
        message = f"The alias is at revision {current}." if current else "There is no such alias."
        path = (*INPUT, "expectedRevision")
        raise ConflictError(message, path=path, current_revision=current)
