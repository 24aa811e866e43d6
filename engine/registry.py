"""Registry: brings the stored models to what definitions say, and changes nothing that fits already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from db.queries import aliases as alias_queries
from db.queries import models as queries
from db.queries import registry as registry_queries
from db.session import Database
from db.tables import ModelRow, ModelVersionRow, PriceRow
from db.types import now
from engine.definitions import (
    AliasDefinition,
    ModelDefinition,
    PriceDefinition,
    VersionDefinition,
)
from engine.errors import DefinitionError
from engine.money import to_nanos
from engine.registry_changes import Change, Difference, differences, named
from engine.routing.aliases import put as put_alias
from engine.routing.pointing import Pointing

NO_NAMES: Mapping[str, str] = MappingProxyType({})

# Where a file lies is not what it is: an installation may move, the sha256 says that it is the same.
LOCATIONS = ("path", "tokenizer", "config")
# How a model is asked is not which model it is: the answers stay the same.
TUNING = (
    "apiKeyEnv",
    "logprobs",
    "maxBatchDelayMs",
    "maxConcurrency",
    "maxConnections",
    "maxQueue",
    "maxTokens",
    "maxTokensField",
    "streamUsage",
    "timeouts",
)


class Registry:
    """Writes models, versions and prices that belong to the operator, and so to every project."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def apply(self, definitions: Sequence[ModelDefinition], *, dry_run: bool = False) -> list[Change]:
        """Stores what is new or changed, in one transaction, and returns what that was.

        Raises:
            DefinitionError: a name comes twice, an alias leads to no version of its model, or a version
                exists with another model behind it; versions do not change.
        """
        _check_names(definition.name for definition in definitions)
        async with self._database.write() as connection:
            found = await registry_queries.everything(connection)
            stored = {row.name: row for row in found.models if row.project_id is None}
            pass_ = _Pass(connection, dry_run, list(found.versions), list(found.prices), [])
            for definition in definitions:
                await pass_.model(definition, stored.get(definition.name))
            if pass_.changes and not dry_run:
                await registry_queries.raise_revision(connection)
        return pass_.changes


@dataclass(slots=True)
class _Pass:
    """One run over the definitions, in one transaction."""

    connection: AsyncConnection
    dry_run: bool
    versions: list[ModelVersionRow]
    prices: list[PriceRow]
    changes: list[Change]

    async def model(self, definition: ModelDefinition, stored: ModelRow | None) -> None:
        columns: dict[str, Any] = {
            "display_name": definition.display_name,
            "description": definition.description,
            "tags": definition.tags,
        }
        if stored is None:
            stored = ModelRow(name=definition.name, task=definition.task, **columns)
            if self._changes("add model", definition.name):
                await queries.add_model(self.connection, stored)
        elif stored.task != definition.task:
            raise DefinitionError(f"{definition.name}: a model's task does not change from {stored.task}.")
        elif self._differs("change model", definition.name, stored, columns):
            await queries.change_model(self.connection, stored.id, updated_at=now(), **columns)
        _check_names(f"{definition.name}/{version.version}" for version in definition.versions)
        known = {row.version: row for row in self.versions if row.model_id == stored.id}
        ids = {version: row.id for version, row in known.items()}
        for version in definition.versions:
            ids[version.version] = await self.version(stored, version, known.get(version.version))
        _check_names(f"{definition.name}/{alias.name}" for alias in definition.aliases)
        for alias in definition.aliases:
            await self.alias(stored, alias, ids)

    async def version(
        self, model: ModelRow, definition: VersionDefinition, stored: ModelVersionRow | None
    ) -> str:
        """Returns the id of the version."""
        name = f"{model.name}/{definition.version}"
        columns = version_columns(definition)
        if stored is None:
            stored = ModelVersionRow(model_id=model.id, version=definition.version, **columns)
            if self._changes("add version", name):
                await queries.add_version(self.connection, stored)
                await queries.change_model(self.connection, model.id, default_version_id=stored.id)
        elif _identity(columns) != _identity(_stored_columns(stored)):
            raise DefinitionError(f"{name}: a version does not change; give the new one another name.")
        elif self._differs("change version", name, stored, columns):
            await queries.change_version(self.connection, stored.id, **columns)
        await self.price(stored.id, name, definition.price)
        return stored.id

    async def alias(self, model: ModelRow, definition: AliasDefinition, versions: Mapping[str, str]) -> None:
        """Moves an alias of the operator; `versions` has the ids of the model's versions by their names."""
        name = f"{model.name}/{definition.name}"
        pointing = _pointing(definition, versions, name)
        names = {version_id: version for version, version_id in versions.items()}
        stored = await alias_queries.lock(self.connection, model.id, None, definition.name)
        if stored is None and self._changes("add alias", name):
            await put_alias(self.connection, model.id, None, definition.name, pointing, None)
        elif stored is not None and self._differs("move alias", name, stored, pointing.columns(), names):
            await put_alias(self.connection, model.id, None, definition.name, pointing, stored)

    async def price(self, version_id: str, name: str, definition: PriceDefinition | None) -> None:
        if definition is None:
            return
        columns = price_columns(definition)
        known = [row for row in self.prices if row.model_version_id == version_id]
        if definition.valid_from is not None:
            await self.dated_price(version_id, name, definition.valid_from, known, columns)
            return
        newest = max(known, key=lambda row: row.valid_from, default=None)
        is_new = newest is None and self._changes("set price", name)
        if is_new or (newest is not None and self._differs("set price", name, newest, columns)):
            await queries.add_price(self.connection, PriceRow(model_version_id=version_id, **columns))

    async def dated_price(
        self, version_id: str, name: str, at: datetime, known: Sequence[PriceRow], columns: dict[str, Any]
    ) -> None:
        """Stores the price that holds from a time on, or corrects it."""
        same = next((row for row in known if row.valid_from == at), None)
        if same is None and self._changes("set price", name):
            row = PriceRow(model_version_id=version_id, valid_from=at, **columns)
            await queries.add_price(self.connection, row)
        elif same is not None and self._differs("correct price", name, same, columns):
            await queries.change_price(self.connection, same.id, **columns)

    def _differs(
        self, what: str, name: str, row: Any, columns: Mapping[str, Any], names: Mapping[str, str] = NO_NAMES
    ) -> bool:
        """Notes a change, if a row has other values; returns whether it is to be carried out."""
        found = named(differences(row, columns), names)
        return bool(found) and self._changes(what, name, found)

    def _changes(self, what: str, name: str, found: tuple[Difference, ...] = ()) -> bool:
        """Notes a change; returns whether it is to be carried out."""
        self.changes.append(Change(what, name, found))
        return not self.dry_run


def _check_names(names: Iterable[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DefinitionError(f"{twice[0]} is defined twice.")


def _pointing(definition: AliasDefinition, versions: Mapping[str, str], name: str) -> Pointing:
    def found(version: str) -> str:
        if version not in versions:
            raise DefinitionError(f"{name}: the model has no version {version!r}.")
        return versions[version]

    shadow = definition.shadow
    return Pointing(
        tuple((found(target.version), target.weight) for target in definition.targets),
        None if shadow is None else (found(shadow.version), shadow.sample_rate),
        tuple(found(version) for version in definition.fallbacks),
    )


def version_columns(definition: VersionDefinition) -> dict[str, Any]:
    """Returns what a version's row has of its definition."""
    config: dict[str, Any] = {
        **definition.backend.config(),
        "labels": definition.labels,
        "baseline": definition.baseline,
        "tokenizer": definition.tokenizer,
        "config": definition.config,
        "maxTokens": definition.max_tokens,
        "maxBatchDelayMs": definition.max_batch_delay_ms,
        "maxConcurrency": definition.max_concurrency,
        "maxQueue": definition.max_queue,
    }
    return {
        "backend": str(definition.backend.kind),
        "config": {key: value for key, value in config.items() if value is not None},
        "input_schema": definition.input_schema,
        "max_batch_size": definition.max_batch_size,
    }


def _stored_columns(row: ModelVersionRow) -> dict[str, Any]:
    names = ("backend", "config", "input_schema", "max_batch_size")
    return {name: getattr(row, name) for name in names}


def _identity(columns: dict[str, Any]) -> dict[str, Any]:
    """Returns what makes a version the version it is."""
    config = columns["config"]
    is_a_file = "path" in config and "sha256" not in config
    left_out = TUNING if is_a_file else (*TUNING, *LOCATIONS)
    kept = {key: value for key, value in config.items() if key not in left_out}
    return {"backend": columns["backend"], "input_schema": columns["input_schema"], "config": kept}


def price_columns(definition: PriceDefinition) -> dict[str, Any]:
    """Returns what a price's row has of its definition, but for when it begins."""
    amounts = {
        "input_nanos_per_million": definition.input_per_million_tokens,
        "cached_input_nanos_per_million": definition.cached_input_per_million_tokens,
        "output_nanos_per_million": definition.output_per_million_tokens,
        "nanos_per_prediction": definition.per_prediction,
    }
    nanos = {name: None if amount is None else to_nanos(amount) for name, amount in amounts.items()}
    return {"currency": definition.currency, **nanos}
