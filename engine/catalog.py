"""Catalog: which models, versions and prices there are, kept in memory and read again when they change.

Every prediction needs them and they seldom change, so a prediction costs no statement to find its
version, its checker and its price.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from db.queries import registry as queries
from db.session import Database
from db.tables import ModelAliasRow, ModelRow, ModelVersionRow, PriceRow
from engine.backends.base import VersionSpec
from engine.errors import ModelNotReadyError, NotFoundError
from engine.values import ModelRef, ServingStatus, VersionRef, Viewer


@dataclass(slots=True)
class CatalogVersion:
    """A version with what a prediction needs of it."""

    row: ModelVersionRow
    model: ModelRow
    spec: VersionSpec
    prices: list[PriceRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CatalogAlias:
    """An alias with the versions it leads to: targets with weights, a shadow with its rate, fallbacks."""

    row: ModelAliasRow
    targets: tuple[tuple[CatalogVersion, int], ...]
    shadow: tuple[CatalogVersion, float] | None
    fallbacks: tuple[CatalogVersion, ...]

    @classmethod
    def of(cls, row: ModelAliasRow, versions: Mapping[str, CatalogVersion]) -> CatalogAlias:
        """Returns the alias of a row."""
        shadow = row.shadow
        return cls(
            row,
            tuple((versions[each["version_id"]], each["weight"]) for each in row.targets),
            None if shadow is None else (versions[shadow["version_id"]], shadow["sample_rate"]),
            tuple(versions[version_id] for version_id in row.fallbacks),
        )


@dataclass(slots=True)
class CatalogModel:
    """A model with its versions by id, oldest first, and its aliases by project (None: everyone) and name."""

    row: ModelRow
    versions: dict[str, CatalogVersion] = field(default_factory=dict)
    aliases: dict[tuple[str | None, str], CatalogAlias] = field(default_factory=dict)

    def alias(self, project_id: str, name: str) -> CatalogAlias | None:
        """Finds an alias; a project's own hides the operator's of the same name."""
        return self.aliases.get((project_id, name)) or self.aliases.get((None, name))

    @property
    def default(self) -> CatalogVersion | None:
        """The version used when a request names none."""
        if self.row.default_version_id is not None:
            return self.versions.get(self.row.default_version_id)
        usable = (v for v in reversed(self.versions.values()) if v.row.status != ServingStatus.RETIRED)
        return next(usable, None)


class Catalog:
    """The registry as last read from the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._models: Mapping[str, CatalogModel] = {}
        self._names: Mapping[tuple[str | None, str], CatalogModel] = {}
        self._versions: Mapping[str, CatalogVersion] = {}
        self._aliases: Mapping[str, CatalogAlias] = {}
        self._revision = -1
        self._reading = asyncio.Lock()
        self.derived: dict[object, Any] = {}
        """What others have made of what was read last; it is forgotten when all is read again."""

    def is_current(self) -> bool:
        """Tells whether all is as it was read; False, too, where the database has to be waited for."""
        found = self._database.at_once(queries.REVISION)
        return found is not None and self._revision == (found[0].revision if found else 0)

    async def refresh_if_stale(self) -> bool:
        """Reads everything again if the registry was changed since, at the cost of one small statement.

        Returns whether it was. Raises what `refresh` raises.
        """
        async with self._database.read() as connection:
            revision = await queries.revision(connection)
        if revision == self._revision:
            return False
        await self.refresh()
        return True

    async def refresh(self) -> None:
        """Reads everything again.

        Raises:
            DatabaseUnavailableError: the database does not answer; the catalog stays as it was.
        """
        async with self._reading:  # one that began before a change must not end after one that saw it
            async with self._database.read() as connection:
                found = await queries.everything(connection)
            self._take(found)

    def _take(self, found: queries.Everything) -> None:
        models = {row.id: CatalogModel(row) for row in found.models}
        versions: dict[str, CatalogVersion] = {}
        for row in found.versions:
            model = models[row.model_id]
            spec = VersionSpec.from_row(row, model_name=model.row.name, task=model.row.task)
            versions[row.id] = model.versions[row.id] = CatalogVersion(row, model.row, spec)
        for price in found.prices:
            versions[price.model_version_id].prices.append(price)
        aliases = {row.id: CatalogAlias.of(row, versions) for row in found.aliases}
        for alias in aliases.values():
            if alias.row.deleted_at is None:
                models[alias.row.model_id].aliases[alias.row.project_id, alias.row.name] = alias
        self._models, self._versions, self._aliases = models, versions, aliases
        self._revision, self.derived = found.revision, {}
        self._names = {
            (model.row.project_id, model.row.name): model
            for model in models.values()
            if model.row.deleted_at is None
        }

    def versions(self) -> Sequence[CatalogVersion]:
        """Returns every version of every model."""
        return list(self._versions.values())

    def models(self) -> Sequence[CatalogModel]:
        """Returns every model, deleted ones too."""
        return list(self._models.values())

    def model_by_id(self, model_id: str) -> CatalogModel | None:
        """Returns a model whatever project it belongs to."""
        return self._models.get(model_id)

    def version_by_id(self, version_id: str) -> CatalogVersion | None:
        """Returns a version whatever project it belongs to; for work that was accepted before."""
        return self._versions.get(version_id)

    def model(self, viewer: Viewer, ref: ModelRef) -> CatalogModel:
        """Finds a model that the viewer sees.

        Raises:
            NotFoundError: there is none.
        """
        if ref.id is not None:
            found = self._models.get(ref.id)
        else:
            name = ref.name or ""
            found = self._names.get((viewer.project_id, name)) or self._names.get((None, name))
        if found is None or not _exists_for(viewer, found.row):
            member = "id" if ref.id is not None else "name"
            raise NotFoundError(
                f"There is no model {(ref.id or ref.name)!r}.", path=("input", "model", member)
            )
        return found

    def alias_by_id(self, alias_id: str) -> CatalogAlias | None:
        """Returns an alias whatever project it belongs to, a deleted one too; for accepted work."""
        return self._aliases.get(alias_id)

    def version(
        self, model: CatalogModel, ref: VersionRef | None, path: Sequence[str | int] = ("input", "version")
    ) -> CatalogVersion:
        """Finds the version of a model that a request names by id or version string, or the default one.

        Raises:
            NotFoundError: the model has no such version.
            ModelNotReadyError: the request names none, and the model has none.
        """
        if ref is None:
            if model.default is None:
                raise _without_version(model)
            return model.default
        if ref.id is not None:
            found = model.versions.get(ref.id)
        else:
            found = next((v for v in model.versions.values() if v.row.version == ref.version), None)
        if found is None:
            member = "id" if ref.id is not None else "version"
            message = f"The model {model.row.name!r} has no version {ref.id or ref.version!r}."
            raise NotFoundError(message, path=(*path, member))
        return found


def _exists_for(viewer: Viewer, row: ModelRow) -> bool:
    """Tells whether a model is there, in the viewer's project or for all, and not hidden from its key."""
    in_project = row.project_id in (None, viewer.project_id)
    return in_project and row.deleted_at is None and viewer.sees(row.id)


def _without_version(model: CatalogModel) -> ModelNotReadyError:
    path = ("input", "model")
    if model.versions:
        message = f"Every version of the model {model.row.name!r} is RETIRED."
        return ModelNotReadyError(message, status=ServingStatus.RETIRED, path=path, retryable=False)
    return ModelNotReadyError(f"The model {model.row.name!r} has no version yet.", path=path)


def require_ready(version: CatalogVersion) -> None:
    """Returns if a version may be asked.

    Raises:
        ModelNotReadyError: it is still loading (retryable), failed, or was retired.
    """
    status = ServingStatus(version.row.status)
    if status in (ServingStatus.READY, ServingStatus.DEGRADED):
        return
    reason = f": {version.row.status_reason.removesuffix('.')}" if version.row.status_reason else ""
    raise ModelNotReadyError(
        f"{version.spec.name} is {status}{reason}.",
        status=status,
        path=("input", "model"),
        retryable=status in (ServingStatus.PENDING, ServingStatus.LOADING),
        retry_after_seconds=1.0 if status in (ServingStatus.PENDING, ServingStatus.LOADING) else None,
    )
