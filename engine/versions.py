"""Versions: how a project registers, prices and retires versions of its own models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from db.errors import UniqueViolationError
from db.queries import models as queries
from db.queries import registry as registry_queries
from db.queries import uploads
from db.session import Database
from db.tables import ModelRow, ModelVersionRow, PriceRow
from db.types import now
from engine.audit import Action, Actor, actor_of, note
from engine.bus.base import Bus
from engine.definitions import PriceDefinition
from engine.errors import ConflictError, InvalidInputError, NotFoundError, PayloadTooLargeError
from engine.idempotency import AlreadyDoneError, Claim, check_key, claiming, fingerprint
from engine.ids import global_id
from engine.model_servers import ModelServers
from engine.model_versions import checked_version
from engine.ownership import own_model, own_version
from engine.registry import price_columns, version_columns
from engine.revision import changing_registry, tell_of_change
from engine.routing.aliases import check_no_alias
from engine.serving import Serving
from engine.told import in_form
from engine.values import ModelTask, NewVersion, Viewer

INPUT = ("input",)
OPERATION = "createModelVersion"


@dataclass(frozen=True, slots=True)
class Versions:
    """Creates and retires versions, and sets their prices; at most so many are served for one project."""

    database: Database
    bus: Bus
    serving: Serving
    servers: ModelServers
    max_versions: int
    max_file_bytes: int

    async def create(self, viewer: Viewer, new: NewVersion, request_id: str) -> tuple[ModelVersionRow, bool]:
        """Stores a version, PENDING, that every process then loads; True with it if it was there before.

        Raises:
            NotFoundError: the project sees no such model.
            ConflictError: the model is the operator's, has that version, or the project has too many.
            InvalidInputError, ManyErrors: it is told wrong, or names a server that is not allowed.
            IdempotencyKeyReusedError: the key stands for another request.
        """
        async with self.database.read() as connection:
            model = await own_model(connection, viewer, new.model)
        form = checked_version(new.told, ModelTask(model.task), self.servers)
        row = ModelVersionRow(
            model_id=model.id,
            version=form.version,
            default_when_ready=new.make_default,
            **version_columns(form),
        )
        claim = _claim(viewer, new, request_id)
        try:
            async with claiming(self.database, claim, row.id) as connection:
                await registry_queries.raise_revision(connection)
                await self._require_room(connection, viewer)
                if new.upload_id is not None:
                    row.config = row.config | await self._take_upload(connection, viewer, new.upload_id)
                await queries.add_version(connection, row)
                if form.price is not None:
                    columns = price_columns(form.price) | {"valid_from": _start(form.price)}
                    await queries.add_price(connection, PriceRow(model_version_id=row.id, **columns))
                await queries.change_model_status(connection, model.id, now())
                await _note(connection, actor_of(viewer, request_id), Action.VERSION_CREATED, model, row)
        except AlreadyDoneError as done:
            return await self._version(viewer, done.result_id), True
        except UniqueViolationError:
            message = (
                f"The model has a version {form.version!r}, and versions do not change: choose another name."
            )
            raise ConflictError(message, path=(*INPUT, "version")) from None
        tell_of_change(self.bus)
        await self.serving.look()
        return await self._version(viewer, row.id), False

    async def retire(self, viewer: Viewer, version_id: str, request_id: str) -> ModelVersionRow:
        """Takes a version out of service for good; what runs on it ends, and its history stays.

        Raises:
            NotFoundError: the project sees no such version.
            ConflictError: it is the operator's, or an alias leads to it.
        """
        async with changing_registry(self.database, self.bus) as connection:
            model, row = await own_version(connection, viewer, version_id)
            await check_no_alias(connection, viewer, row)
            await queries.retire_versions(connection, now(), version_id=row.id)
            await _note(connection, actor_of(viewer, request_id), Action.VERSION_RETIRED, model, row)
            await queries.replace_default(connection, row)
            await queries.change_model_status(connection, row.model_id, now())
        await self.serving.look()
        return await self._version(viewer, version_id)

    async def set_price(
        self, viewer: Viewer, version_id: str, told: Mapping[str, Any], request_id: str
    ) -> ModelVersionRow:
        """Lets a price hold from a time on, now or later; what ended before keeps the cost that it had.

        Raises:
            NotFoundError: the project sees no such version.
            ConflictError: it is the operator's.
            InvalidInputError, ManyErrors: it is told wrong, or begins in the past.
        """
        form = in_form(PriceDefinition, told, (*INPUT, "price"))
        columns = price_columns(form)
        async with changing_registry(self.database, self.bus) as connection:
            model, row = await own_version(connection, viewer, version_id)
            start = _start(form)
            same = await queries.price_from(connection, row.id, start)
            if same is None:
                price = PriceRow(model_version_id=row.id, valid_from=start, **columns)
                await queries.add_price(connection, price)
            else:
                await queries.change_price(connection, same.id, **columns)
            details = columns | {"validFrom": start.isoformat()}
            await _note(connection, actor_of(viewer, request_id), Action.PRICE_SET, model, row, details)
        await self.serving.look()
        return row

    async def _version(self, viewer: Viewer, version_id: str) -> ModelVersionRow:
        async with self.database.read() as connection:
            (row,) = await queries.versions_by_id(connection, viewer.project_id, [version_id])
        return row

    async def _take_upload(
        self, connection: AsyncConnection, viewer: Viewer, upload_id: str
    ) -> dict[str, Any]:
        """Returns what a config says of an uploaded file, which belongs to the version from now on."""
        path = (*INPUT, "backend", "onnx", "uploadId")
        row = await uploads.by_id(connection, viewer.project_id, upload_id)
        if row is None:
            raise NotFoundError("There is no such upload, or a version has it already.", path=path)
        if row.stored_at is None:
            raise InvalidInputError("Nothing was put there yet.", path=path, constraint="stored")
        if row.byte_size > self.max_file_bytes:
            message = f"A model file has at most {self.max_file_bytes} bytes."
            constraint = f"maximum: {self.max_file_bytes}"
            raise PayloadTooLargeError(message, path=path, constraint=constraint, received=row.byte_size)
        if not await uploads.forget(connection, upload_id):
            raise ConflictError("A job needs the file.", path=path)
        return {"key": row.key, "sha256": row.sha256, "byteSize": row.byte_size}

    async def _require_room(self, connection: AsyncConnection, viewer: Viewer) -> None:
        if await queries.count_own_versions(connection, viewer.project_id) >= self.max_versions:
            message = f"A project serves at most {self.max_versions} versions: retire one that is not needed."
            raise ConflictError(message, path=INPUT)


def _start(price: PriceDefinition) -> datetime:
    at = now()
    if price.valid_from is None:
        return at
    if price.valid_from < at:
        message = "A price begins now or later: what has ended keeps the cost that it had."
        raise InvalidInputError(message, path=(*INPUT, "price", "validFrom"), constraint="minimum: now")
    return price.valid_from


async def _note(
    connection: AsyncConnection,
    actor: Actor,
    action: Action,
    model: ModelRow,
    row: ModelVersionRow,
    details: Mapping[str, Any] | None = None,
) -> None:
    await note(
        connection,
        actor,
        action,
        f"{model.name}/{row.version}",
        project_id=model.project_id,
        subject_id=global_id("ModelVersion", row.id),
        details=details,
    )


def _claim(viewer: Viewer, new: NewVersion, request_id: str) -> Claim:
    key = new.idempotency_key
    if key is None:
        return Claim(viewer.project_id, OPERATION, None, request_id)
    check_key(key)
    asked = [new.model.id, new.model.name, new.upload_id, new.make_default, _plain(new.told)]
    return Claim(viewer.project_id, OPERATION, key, request_id, fingerprint(asked))


def _plain(value: Any) -> Any:
    """Returns a value as JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, int | float | bool | None) else str(value)
