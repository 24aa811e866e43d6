"""Models: what a project does with models of its own. Those of the operator it sees and can not change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from db.queries import models as queries
from db.session import Database
from db.tables import ModelRow
from db.types import now
from engine.audit import Action, Actor, actor_of, note
from engine.bus.base import Bus
from engine.definitions import ModelDefinition
from engine.errors import ConflictError
from engine.ids import global_id
from engine.ownership import own_model, version_of
from engine.revision import changing_registry
from engine.serving import Serving
from engine.told import in_form
from engine.values import ModelRef, ServingStatus, VersionRef, Viewer

MAX_MODELS = 1000
INPUT = ("input",)


@dataclass(frozen=True, slots=True)
class Models:
    """Registers, changes and deletes models. A change holds in this process at once, in others soon."""

    database: Database
    bus: Bus
    serving: Serving

    async def register(self, viewer: Viewer, told: Mapping[str, Any], request_id: str) -> ModelRow:
        """Stores a model without versions and returns it; the name of a deleted one brings that back.

        Raises:
            InvalidInputError, ManyErrors: it is told wrong.
            ConflictError: the project has a model of that name, or as many as it may; or the key is for
                certain models only, of which a new one is none.
        """
        if viewer.models is not None:
            raise ConflictError("The API key is for certain models only and can not add another.", path=INPUT)
        form = in_form(ModelDefinition, told, INPUT)
        columns = form.model_dump(include={"display_name", "description", "tags"})
        async with changing_registry(self.database, self.bus) as connection:
            row = await queries.own_model_by_name(connection, viewer.project_id, form.name)
            if row is not None:
                _require_deleted(row, form)
                changes = {"deleted_at": None, "status": ServingStatus.PENDING, "updated_at": now()}
                await queries.change_model(connection, row.id, **columns, **changes)
            else:
                if await queries.count_own_models(connection, viewer.project_id) >= MAX_MODELS:
                    raise ConflictError(f"A project has at most {MAX_MODELS} models.", path=INPUT)
                row = ModelRow(name=form.name, task=form.task, project_id=viewer.project_id, **columns)
                await queries.add_model(connection, row)
            found = await _reread(connection, viewer, row)
            await _note(connection, actor_of(viewer, request_id), Action.MODEL_REGISTERED, found)
        await self.serving.look()
        return found

    async def update(
        self, viewer: Viewer, ref: ModelRef, told: Mapping[str, Any], request_id: str
    ) -> ModelRow:
        """Changes what a model is called, and which of its versions is the default one; returns it.

        Raises:
            NotFoundError: the project sees no such model or version.
            ConflictError: it is the operator's, or the version is not one to be asked.
            InvalidInputError, ManyErrors: it is told wrong.
        """
        changes: dict[str, Any] = dict(told)
        default: VersionRef | None = changes.pop("default_version", None)
        async with changing_registry(self.database, self.bus) as connection:
            row = await own_model(connection, viewer, ref)
            kept = {name: getattr(row, name) for name in ("name", "display_name", "task")}
            form = in_form(ModelDefinition, kept | changes, INPUT)
            columns = form.model_dump(include=set(changes))
            if default is not None:
                version = await version_of(connection, row, default)
                if version.status == ServingStatus.RETIRED:
                    path = (*INPUT, "defaultVersion")
                    raise ConflictError(f"The version {version.version!r} is RETIRED.", path=path)
                columns["default_version_id"] = version.id
            await queries.change_model(connection, row.id, **columns, updated_at=now())
            found = await _reread(connection, viewer, row)
            await _note(connection, actor_of(viewer, request_id), Action.MODEL_UPDATED, found, columns)
        await self.serving.look()
        return found

    async def delete(self, viewer: Viewer, ref: ModelRef, request_id: str) -> ModelRow:
        """Retires every version and takes the model out of every list; by its id it is still found.

        Raises:
            NotFoundError: the project sees no such model.
            ConflictError: it is the operator's.
        """
        at = now()
        async with changing_registry(self.database, self.bus) as connection:
            row = await own_model(connection, viewer, ref)
            await queries.retire_versions(connection, at, model_id=row.id)
            changes = {"status": ServingStatus.RETIRED, "default_version_id": None}
            await queries.change_model(connection, row.id, deleted_at=at, updated_at=at, **changes)
            found = await _reread(connection, viewer, row)
            await _note(connection, actor_of(viewer, request_id), Action.MODEL_DELETED, found)
        await self.serving.look()
        return found


def _require_deleted(row: ModelRow, form: ModelDefinition) -> None:
    path = (*INPUT, "name")
    if row.deleted_at is None:
        raise ConflictError(f"The project has a model {form.name!r}.", path=path)
    if row.task != form.task:
        message = f"A deleted model of that name, whose history is kept, does {row.task}: take another name."
        raise ConflictError(message, path=path)


async def _reread(connection: AsyncConnection, viewer: Viewer, row: ModelRow) -> ModelRow:
    (found,) = await queries.models_by_id(connection, viewer.project_id, [row.id])
    return found


async def _note(
    connection: AsyncConnection,
    actor: Actor,
    action: Action,
    row: ModelRow,
    details: Mapping[str, Any] | None = None,
) -> None:
    await note(
        connection,
        actor,
        action,
        row.name,
        project_id=row.project_id,
        subject_id=global_id("Model", row.id),
        details=details,
    )
