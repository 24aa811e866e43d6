"""Ownership: finds models and versions that a project may change, and says which it may only see."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from db.queries import models as queries
from db.tables import ModelRow, ModelVersionRow
from engine.errors import ConflictError, NotFoundError
from engine.values import ModelRef, VersionRef, Viewer

INPUT = ("input",)


async def own_model(connection: AsyncConnection, viewer: Viewer, ref: ModelRef) -> ModelRow:
    """Returns a project's own model.

    Raises:
        NotFoundError: the project sees no such model.
        ConflictError: it is the operator's.
    """
    path = (*INPUT, "model", "id" if ref.id is not None else "name")
    if ref.id is not None:
        rows = await queries.models_by_id(connection, viewer.project_id, [ref.id])
        row = rows[0] if rows else None
    else:
        row = await queries.model_by_name(connection, viewer.project_id, ref.name or "")
    if row is None or row.deleted_at is not None or not viewer.sees(row.id):
        raise NotFoundError(f"There is no model {(ref.id or ref.name)!r}.", path=path)
    _require_own(row, viewer, path)
    return row


async def own_version(
    connection: AsyncConnection, viewer: Viewer, version_id: str
) -> tuple[ModelRow, ModelVersionRow]:
    """Returns a version of one of a project's own models, with the model.

    Raises:
        NotFoundError: the project sees no such version.
        ConflictError: it is the operator's.
    """
    path = (*INPUT, "id")
    rows = await queries.versions_by_id(connection, viewer.project_id, [version_id])
    if not rows or not viewer.sees(rows[0].model_id):
        raise NotFoundError("There is no such model version.", path=path)
    (model,) = await queries.models_by_id(connection, viewer.project_id, [rows[0].model_id])
    _require_own(model, viewer, path)
    return model, rows[0]


async def version_of(connection: AsyncConnection, model: ModelRow, ref: VersionRef) -> ModelVersionRow:
    """Returns the version of a project's own model that is to be its default one.

    Raises:
        NotFoundError: the model has none such.
    """
    if ref.id is not None:
        rows = await queries.versions_by_id(connection, model.project_id or "", [ref.id])
    else:
        rows = await queries.versions_by_name(connection, [(model.id, ref.version or "")])
    found = [row for row in rows if row.model_id == model.id]
    if not found:
        path = (*INPUT, "defaultVersion", "id" if ref.id is not None else "version")
        raise NotFoundError(f"The model {model.name!r} has no such version.", path=path)
    return found[0]


def _require_own(row: ModelRow, viewer: Viewer, path: tuple[str, ...]) -> None:
    if row.project_id != viewer.project_id:
        message = f"The model {row.name!r} is the operator's: only the registry file changes it."
        raise ConflictError(message, path=path)
