"""Loaders: one for each edge of the graph, so that a level of it costs one statement.

They live as long as one operation (or one event of a subscription). Each batch opens a connection of
its own, and each asks for the rows of one project only: what belongs to others is not found.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from db.filters import JobFilter, PredictionFilter
from db.pages import Order, Page, Window
from db.prepared import Prepared
from db.queries import aliases, audit, budgets, jobs, keys, models, predictions, webhooks
from db.session import Database
from db.tables import (
    AliasChangeRow,
    ApiKeyRow,
    AuditRow,
    BudgetRow,
    JobRow,
    ModelAliasRow,
    ModelRow,
    ModelVersionRow,
    PredictionRow,
    PriceRow,
    ProjectRow,
    WebhookDeliveryRow,
)
from engine.catalog import Catalog
from engine.usage.totals import Durations, Totals
from resolvers.alias_loads import AliasLoads, HistoryOf
from resolvers.loader import Loader, grouped
from resolvers.registered import Registered, Registry
from resolvers.usage_loads import UsageLoads, UsageOf

VersionNamed = tuple[str, str]
"""A model's id, and the name of one of its versions."""

Key = TypeVar("Key")
Value = TypeVar("Value")


class HasId(Protocol):
    """A row with an id."""

    id: str


Row = TypeVar("Row", bound=HasId)


@dataclass(frozen=True, slots=True)
class PredictionsOf:
    """A page of the predictions of a parent: its kind (`"model"`, `"model_version"`, `"job"`) and its id."""

    kind: str
    parent_id: str
    wanted: PredictionFilter
    order: Order
    window: Window
    columns: frozenset[str] | None = None
    """Those that the rows have; None: all."""


@dataclass(frozen=True, slots=True)
class CountOf:
    """How many predictions of a parent there are."""

    kind: str
    parent_id: str
    wanted: PredictionFilter


@dataclass(frozen=True, slots=True)
class JobsOf:
    """A page of the jobs for a model."""

    model_id: str
    wanted: JobFilter
    order: Order
    window: Window


@dataclass(frozen=True, slots=True)
class JobCountOf:
    """How many jobs for a model there are."""

    model_id: str
    wanted: JobFilter


@dataclass(frozen=True, slots=True)
class DeliveriesOf:
    """A page of the webhook deliveries of a parent: its kind (`"job"`, `"prediction"`) and its id."""

    kind: str
    parent_id: str
    window: Window


class Loaders:
    """The loaders of one operation, for the rows that one project sees.

    `seen` are the ids of the models that exist for the viewer's key; None: all.
    """

    registry: Registry
    model: Registered[ModelRow]
    version: Registered[ModelVersionRow]
    prices: Registered[list[PriceRow]]
    _usage: UsageLoads
    _aliases: AliasLoads
    project: Loader[str, ProjectRow | None]
    api_key: Loader[str, ApiKeyRow | None]
    audit_event: Loader[str, AuditRow | None]
    keys_page: Loader[Window, Page[ApiKeyRow]]
    key_count: Loader[str, int]
    prediction: Loader[str, PredictionRow | None]
    job: Loader[str, JobRow | None]
    running_items: Loader[str, int]
    jobs_of: Loader[JobsOf, Page[JobRow]]
    job_count: Loader[JobCountOf, int]
    delivery: Loader[str, WebhookDeliveryRow | None]
    deliveries_of: Loader[DeliveriesOf, Page[WebhookDeliveryRow]]
    delivery_count: Loader[tuple[str, str], int]
    alias: Loader[str, ModelAliasRow | None]
    aliases_of: Loader[str, list[ModelAliasRow]]
    alias_history: Loader[HistoryOf, Page[AliasChangeRow]]
    shadow: Loader[str, PredictionRow | None]
    usage_of: Loader[UsageOf, Totals]
    durations_of: Loader[UsageOf, Durations]
    input: Loader[str, Any]
    output: Loader[str, Any]
    explanation: Loader[str, Any]
    budgets: Loader[str, list[BudgetRow]]
    version_named: Loader[tuple[str, str], ModelVersionRow | None]
    predictions_of: Loader[PredictionsOf, Page[PredictionRow]]
    prediction_count: Loader[CountOf, int]

    def __init__(
        self, database: Database, catalog: Catalog, project_id: str, seen: frozenset[str] | None = None
    ) -> None:
        self._database = database
        self._project_id = project_id
        self._seen = seen
        self._catalog = catalog
        self._whole: list[PredictionRow] = []

    def __getattr__(self, name: str) -> Any:
        """Makes a loader, or what one needs, at its first use: an operation needs few of them."""
        make = _MAKERS.get(name)
        if make is None:
            raise AttributeError(name)
        loader = make(self)
        setattr(self, name, loader)
        if name in _OF_WHOLE:
            for row in self._whole:
                loader.prime(row.id, _OF_WHOLE[name](row))
        return loader

    def forget(self) -> None:
        """Lets go of the loaders, which hold on to this: what was read would wait for a collector."""
        for name in _MAKERS.keys() & vars(self).keys():
            delattr(self, name)

    def prime_prediction(self, row: PredictionRow) -> None:
        """Tells the loaders a whole row that was just made, so that nothing of it is read again."""
        self._whole.append(row)
        for name in _OF_WHOLE.keys() & vars(self).keys():  # the others hear of it when they are made
            getattr(self, name).prime(row.id, _OF_WHOLE[name](row))

    def _in_project(
        self,
        fetch: Callable[[AsyncConnection, str, Sequence[str]], Awaitable[Sequence[Row]]],
        its_model: str | None = None,
    ) -> Callable[[AsyncConnection, Sequence[str]], Awaitable[Sequence[Row]]]:
        """Makes a fetch of the project's rows; `its_model` is the column with the id of a row's model."""

        async def fetch_mine(connection: AsyncConnection, ids: Sequence[str]) -> Sequence[Row]:
            rows, seen = await fetch(connection, self._project_id, ids), self._seen
            if its_model is None or seen is None:
                return rows
            return [row for row in rows if getattr(row, its_model) in seen]

        return fetch_mine

    async def _deliveries(
        self, connection: AsyncConnection, ids: Sequence[str]
    ) -> Sequence[WebhookDeliveryRow]:
        """Fetches deliveries; where only some models exist, those of their jobs and predictions."""
        rows = await webhooks.by_id(connection, self._project_id, ids)
        if self._seen is None:
            return rows
        found: set[str] = set()
        for by_id, parents in ((jobs.by_id, "job_id"), (predictions.by_id, "prediction_id")):
            wanted = [parent for row in rows if (parent := getattr(row, parents)) is not None]
            fetch: Any = self._in_project(by_id, "model_id")
            found.update(parent.id for parent in await fetch(connection, wanted))
        return [row for row in rows if {row.job_id, row.prediction_id} & found]

    def _predictions(self) -> Loader[str, PredictionRow | None]:
        def visible(row: PredictionRow) -> PredictionRow | None:
            return row if self._seen is None or row.model_id in self._seen else None

        fetch = self._in_project(predictions.by_id, "model_id")
        return self._by_id(fetch, self._at_once(predictions.BY_ID, visible))

    def _at_once(
        self, prepared: Prepared, value: Callable[[Any], Any]
    ) -> Callable[[list[str]], list[Any] | None]:
        """Makes a fetch that does not wait, of rows by their ids; None where it has to."""

        def at_once(ids: list[str]) -> list[Any] | None:
            rows = self._database.at_once(prepared, project_id=self._project_id, ids=ids)
            if rows is None:
                return None
            found = {row.id: value(row) for row in rows}
            return [found.get(row_id) for row_id in ids]

        return at_once

    def _by_id(
        self,
        fetch: Callable[[AsyncConnection, Sequence[str]], Awaitable[Sequence[Row]]],
        at_once: Callable[[list[str]], list[Row | None] | None] | None = None,
    ) -> Loader[str, Row | None]:
        async def load(ids: list[str]) -> list[Row | None]:
            async with self._database.read() as connection:
                found = {row.id: row for row in await fetch(connection, ids)}
            return [found.get(row_id) for row_id in ids]

        return Loader(load, at_once)

    def _blob(self, column: str) -> Loader[str, Any]:
        async def load(ids: list[str]) -> list[Any]:
            async with self._database.read() as connection:
                found = await predictions.blobs(connection, self._project_id, column, ids)
            return [found.get(row_id) for row_id in ids]

        return Loader(load, self._at_once(predictions.BLOBS[column], attrgetter(column)))

    async def _shadows(self, prediction_ids: list[str]) -> list[PredictionRow | None]:
        """Loads the copies that shadow targets got; whoever sees a prediction sees its copy."""
        async with self._database.read() as connection:
            rows = await predictions.shadows_of(connection, self._project_id, prediction_ids)
        found = {row.shadow_of: row for row in rows}
        return [found.get(prediction_id) for prediction_id in prediction_ids]

    async def _keys_pages(self, windows: list[Window]) -> list[Page[ApiKeyRow]]:
        async with self._database.read() as connection:
            return [await keys.keys_page(connection, self._project_id, window) for window in windows]

    async def _key_counts(self, project_ids: list[str]) -> list[int]:
        async with self._database.read() as connection:
            return [await keys.count_keys(connection, project_id) for project_id in project_ids]

    async def _budgets(self, holder_ids: list[str]) -> list[list[BudgetRow]]:
        async with self._database.read() as connection:
            rows = await budgets.of_holders(connection, self._project_id, holder_ids)
        return [[row for row in rows if row.holder_id == holder_id] for holder_id in holder_ids]

    async def _versions_named(self, named: list[VersionNamed]) -> list[ModelVersionRow | None]:
        async with self._database.read() as connection:
            rows = await models.versions_by_name(connection, named)
        found = {(row.model_id, row.version): row for row in rows}
        return [found.get(key) for key in named]

    async def _predictions_of(self, asked: list[PredictionsOf]) -> list[Page[PredictionRow]]:
        async with self._database.read() as connection:
            return await grouped(
                asked,
                lambda key: (key.parent_id, (key.kind, key.wanted, key.order, key.window, key.columns)),
                lambda alike, ids: predictions.pages_of(
                    connection, alike[0], ids, self._project_id, *alike[1:]
                ),
            )

    async def _prediction_counts(self, asked: list[CountOf]) -> list[int]:
        async with self._database.read() as connection:
            return await grouped(
                asked,
                lambda key: (key.parent_id, (key.kind, key.wanted)),
                partial(self._counts, connection),
            )

    async def _counts(
        self, connection: AsyncConnection, alike: tuple[str, PredictionFilter], ids: list[str]
    ) -> Sequence[int]:
        kind, wanted = alike
        found: Mapping[str, int] = await predictions.counts_of(
            connection, kind, ids, self._project_id, wanted
        )
        return [found.get(row_id, 0) for row_id in ids]

    async def _running_items(self, job_ids: list[str]) -> list[int]:
        async with self._database.read() as connection:
            found = await jobs.running_items(connection, job_ids)
        return [found.get(job_id, 0) for job_id in job_ids]

    async def _jobs_of(self, asked: list[JobsOf]) -> list[Page[JobRow]]:
        async with self._database.read() as connection:
            return await grouped(
                asked,
                lambda key: (key.model_id, (key.wanted, key.order, key.window)),
                lambda alike, ids: jobs.pages_of_models(connection, ids, self._project_id, *alike),
            )

    async def _job_counts(self, asked: list[JobCountOf]) -> list[int]:
        async with self._database.read() as connection:
            return await grouped(
                asked,
                lambda key: (key.model_id, key.wanted),
                partial(self._counts_of_jobs, connection),
            )

    async def _counts_of_jobs(
        self, connection: AsyncConnection, wanted: JobFilter, model_ids: list[str]
    ) -> Sequence[int]:
        found = await jobs.counts_of_models(connection, model_ids, self._project_id, wanted)
        return [found.get(model_id, 0) for model_id in model_ids]

    async def _deliveries_of(self, asked: list[DeliveriesOf]) -> list[Page[WebhookDeliveryRow]]:
        async with self._database.read() as connection:
            return await grouped(
                asked,
                lambda key: (key.parent_id, (key.kind, key.window)),
                lambda alike, ids: webhooks.pages_of(connection, alike[0], ids, self._project_id, alike[1]),
            )

    async def _delivery_counts(self, asked: list[tuple[str, str]]) -> list[int]:
        async def counts(kind: str, ids: list[str]) -> Sequence[int]:
            found = await webhooks.counts_of(connection, kind, ids, self._project_id)
            return [found.get(row_id, 0) for row_id in ids]

        async with self._database.read() as connection:
            return await grouped(asked, lambda key: (key[1], key[0]), counts)


async def _alike(
    fetch: Callable[[Any, list[str]], Awaitable[Sequence[Value]]], asked: Sequence[UsageOf | HistoryOf]
) -> list[Value]:
    return await grouped(asked, lambda key: key.split(), fetch)


_OF_WHOLE: Mapping[str, Callable[[PredictionRow], Any]] = {
    "prediction": lambda row: row,
    "input": attrgetter("input"),
    "output": attrgetter("output"),
    "explanation": attrgetter("explanation"),
}
"""What the loaders of predictions find in a row that is whole."""

_MAKERS: Mapping[str, Callable[[Loaders], Any]] = {
    "registry": lambda loaders: Registry(loaders._catalog, loaders._project_id, loaders._seen),
    "model": lambda loaders: Registered(loaders.registry, "model"),
    "version": lambda loaders: Registered(loaders.registry, "version"),
    "prices": lambda loaders: Registered(loaders.registry, "prices"),
    "_usage": lambda loaders: UsageLoads(loaders._database, loaders._project_id, loaders._seen),
    "_aliases": lambda loaders: AliasLoads(loaders._database, loaders._project_id),
    "project": lambda loaders: loaders._by_id(keys.projects_by_id),
    "api_key": lambda loaders: loaders._by_id(loaders._in_project(keys.keys_by_id)),
    "audit_event": lambda loaders: loaders._by_id(loaders._in_project(audit.by_id)),
    "keys_page": lambda loaders: Loader(loaders._keys_pages),
    "key_count": lambda loaders: Loader(loaders._key_counts),
    "prediction": lambda loaders: loaders._predictions(),
    "job": lambda loaders: loaders._by_id(loaders._in_project(jobs.by_id, "model_id")),
    "running_items": lambda loaders: Loader(loaders._running_items),
    "jobs_of": lambda loaders: Loader(loaders._jobs_of),
    "job_count": lambda loaders: Loader(loaders._job_counts),
    "delivery": lambda loaders: loaders._by_id(loaders._deliveries),
    "deliveries_of": lambda loaders: Loader(loaders._deliveries_of),
    "delivery_count": lambda loaders: Loader(loaders._delivery_counts),
    "alias": lambda loaders: loaders._by_id(loaders._in_project(aliases.by_id, "model_id")),
    "aliases_of": lambda loaders: Loader(loaders._aliases.of_models),
    "alias_history": lambda loaders: Loader(partial(_alike, loaders._aliases.histories)),
    "shadow": lambda loaders: Loader(loaders._shadows),
    "usage_of": lambda loaders: Loader(partial(_alike, loaders._usage.totals)),
    "durations_of": lambda loaders: Loader(partial(_alike, loaders._usage.durations)),
    "input": lambda loaders: loaders._blob("input"),
    "output": lambda loaders: loaders._blob("output"),
    "explanation": lambda loaders: loaders._blob("explanation"),
    "budgets": lambda loaders: Loader(loaders._budgets),
    "version_named": lambda loaders: Loader(loaders._versions_named),
    "predictions_of": lambda loaders: Loader(loaders._predictions_of),
    "prediction_count": lambda loaders: Loader(loaders._prediction_counts),
}
