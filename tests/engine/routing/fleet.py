"""A fleet: one model with three versions, each behind a told backend, and aliases that lead to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from db.session import Database
from db.tables import ModelAliasRow, PredictionRow
from engine.audit import OPERATOR
from engine.backends.base import VersionSpec
from engine.catalog import CatalogVersion
from engine.definitions import BackendDefinition, ModelDefinition, VersionDefinition
from engine.registry import Registry
from engine.routing.aliases import Aliases
from engine.values import AliasDeletion, AliasRequest, ModelRef, ModelTask, VersionRef
from tests.engine.specs import number_schema
from tests.engine.workshop import KIND, PRICE, ToldBackend, Workshop, opened_workshop, request

VERSIONS = ("1", "2", "3")
TOLD = BackendDefinition.model_validate({"kind": KIND, "url": "http://told", "model": "told"})


class Backends(ToldBackend):
    """Makes a told backend for each version; it is one itself, for a model that nobody asks."""

    def __init__(self, kind: type[ToldBackend] = ToldBackend) -> None:
        super().__init__()
        self.kind = kind
        self.made: dict[str, ToldBackend] = {}

    def __call__(self, spec: VersionSpec, executor: Executor) -> ToldBackend:
        return self.made.setdefault(spec.name, self.kind())


@dataclass
class Fleet:
    """The model `fleet` with the versions 1, 2 and 3, in one process."""

    workshop: Workshop
    backends: Backends
    aliases: Aliases = field(init=False)

    def __post_init__(self) -> None:
        here = self.workshop.here
        self.aliases = Aliases(self.workshop.database, here.bus, here.catalog, here.serving)

    def backend(self, version: str) -> ToldBackend:
        """Returns what serves a version."""
        return self.backends.made[f"fleet/{version}"]

    def version(self, name: str) -> CatalogVersion:
        """Returns a version as the catalog has it."""
        catalog = self.workshop.here.catalog
        return catalog.version(catalog.model(self.workshop.viewer, FLEET), VersionRef(version=name))

    def name(self, version_id: str | None) -> str | None:
        """Returns the name of a version."""
        found = self.workshop.here.catalog.version_by_id(version_id or "")
        return None if found is None else found.row.version

    async def alias(self, name: str = "production", **pointing: Any) -> ModelAliasRow:
        """Points an alias somewhere; see `alias_request`."""
        return await self.aliases.set(self.workshop.viewer, alias_request(name, **pointing), OPERATOR)

    async def delete_alias(self, name: str = "production", *, expected: int | None = None) -> ModelAliasRow:
        """Deletes an alias of the project."""
        asked = AliasDeletion(FLEET, name, expected)
        return await self.aliases.delete(self.workshop.viewer, asked, OPERATOR)

    async def ask(
        self, x: float = 1, *, alias: str | None = "production", named: str | None = None, **more: Any
    ) -> PredictionRow:
        """Asks by an alias, or for a version by its name, and returns the prediction as it ended."""
        version = None if alias is None else VersionRef(alias=alias)
        version = version if named is None else VersionRef(version=named)
        return await self.workshop.ask(replace(request(x, **more), model=FLEET, version=version))

    def answered(self, row: PredictionRow) -> str:
        """Returns the name of the version that answered."""
        return self.name(row.model_version_id) or ""

    def went(self, row: PredictionRow) -> tuple[str, str | None, str | None, int]:
        """Returns status, who answered, in whose place, and how many calls it took."""
        asked = self.name(row.asked_version_id)
        return row.status, self.name(row.model_version_id), asked, row.attempts


FLEET = ModelRef(name="fleet")


def alias_request(
    name: str = "production",
    *,
    targets: dict[str, int] | None = None,
    shadow: tuple[str, float] | None = None,
    fallbacks: tuple[str, ...] = (),
    expected: int | None = None,
) -> AliasRequest:
    """Returns a request to point an alias at versions by their names; at version 1 if nothing is said."""
    return AliasRequest(
        FLEET,
        name,
        tuple((VersionRef(version=version), weight) for version, weight in (targets or {"1": 1}).items()),
        None if shadow is None else (VersionRef(version=shadow[0]), shadow[1]),
        tuple(VersionRef(version=version) for version in fallbacks),
        expected,
    )


def definition(*versions: str, **more: Any) -> ModelDefinition:
    """Returns the definition of the model."""
    return ModelDefinition(
        name="fleet",
        display_name="fleet",
        task=ModelTask.TABULAR_REGRESSION,
        versions=[
            VersionDefinition(
                version=version,
                backend=TOLD,
                input_schema=number_schema(["x"]),
                price=PRICE,
            )
            for version in versions or VERSIONS
        ],
        **more,
    )


@asynccontextmanager
async def opened_fleet(database: Database, backends: Backends) -> AsyncIterator[Fleet]:
    """Yields the fleet; the backends are registered already."""
    await Registry(database).apply([definition()])
    async with opened_workshop(database, backends) as workshop:
        yield Fleet(workshop, backends)
        for backend in backends.made.values():
            backend.gate.set()
