"""Models, versions and prices: their types, filters and references."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Annotated, Any, Self

import strawberry

from db.filters import ModelFilter
from db.tables import ModelRow, ModelVersionRow
from engine import values
from executor import Reading, Unchanging, keyed
from resolvers import models as resolvers
from schema.access import NEVER_NULL_ALONE, Info, derived, field
from schema.aliases import ModelAlias
from schema.circuits import Circuit
from schema.directives import ListSize
from schema.enums import BackendKind, ModelTask, Scope, ServingStatus, TensorDatatype
from schema.job_lists import JobFilterArgument, JobOrder, LazyJob, jobs_of_model
from schema.nodes import (
    Node,
    column,
    found_as,
    node_type,
    read_from_row,
    registered_id,
    row_id,
    shaped,
    when_found,
    with_row,
)
from schema.pages import CONNECTION, After, Before, Connection, First, Last, OrderDirection, window
from schema.prediction_lists import (
    Filter,
    LazyPrediction,
    OrderBy,
    predictions_of,
)
from schema.prices import Price
from schema.registered import registered, version_pages
from schema.scalars import JSON
from schema.types import by_value, enum_type, given, given_tuple, input_type, object_type, one_of_type
from schema.usage import USAGE, Range, UsageTotals, usage_of

ALIASES = ListSize(assumed_size=5, require_one_slicing_argument=False)
"""How many aliases a model is taken to have, in an operation's cost."""


TASKS, STATUSES = by_value(ModelTask), by_value(ServingStatus)


@object_type
class TensorSpec:
    """A tensor that a version takes or gives, by the Open Inference Protocol."""

    name: str = strawberry.field(description="The name to give or to find it by.")
    datatype: TensorDatatype = strawberry.field(description="The type of its elements.")
    shape: list[int] = strawberry.field(description="Its dimensions; -1 is any size.")


@read_from_row(
    id=column("id", convert=partial(registered_id, "ModelVersion")),
    status=column("status", convert=STATUSES.__getitem__),
    backend=column("backend", convert=BackendKind),
)
@node_type
class ModelVersion(Unchanging, Node):
    """One version of a model. Immutable once READY."""

    row: strawberry.Private[ModelVersionRow]
    version: str = strawberry.field(description="Unique within the model.")
    status: ServingStatus = strawberry.field(description="Whether it can answer.")
    status_reason: str | None = strawberry.field(description="Why it is not READY.")
    backend: BackendKind = strawberry.field(description="What serves it.")
    created_at: datetime = strawberry.field(description="When it was registered.")
    retired_at: datetime | None = strawberry.field(description="When it was retired.")
    max_batch_size: int | None = strawberry.field(description="Rows that run in one call at most.")

    @classmethod
    def from_row(cls, row: ModelVersionRow) -> Self:
        """Shapes a version."""
        return with_row(cls, row)

    @field(
        Scope.MODELS_READ,
        "The model that it is a version of.",
        directives=[NEVER_NULL_ALONE],
        bind=registered("Model", "model_id"),
    )
    def model(self, info: Info) -> Model | None:
        """Loads the model."""
        return found_as("Model", info.context.loaders.model.find(self.row.model_id))

    @derived("The tensors it takes.")
    def inputs(self) -> list[TensorSpec]:
        """Shapes the inputs."""
        return [TensorSpec(**spec) for spec in self.row.inputs]

    @derived("The tensors it gives.")
    def outputs(self) -> list[TensorSpec]:
        """Shapes the outputs."""
        return [TensorSpec(**spec) for spec in self.row.outputs]

    @derived("JSON Schema of one record; null where the task has none.")
    def input_schema(self) -> JSON | None:
        """Returns the schema as it was registered."""
        return None if self.row.input_schema is None else JSON(self.row.input_schema)

    @field(Scope.MODELS_READ, "What it costs now; null where no price is known.")
    async def price(self, info: Info) -> Price | None:
        """Loads the price that holds now."""
        found = await resolvers.current_price(info.context, self.row.id)
        return Price.from_row(found) if found else None

    @field(Scope.MODELS_READ, "All its prices, by when they begin.", directives=[NEVER_NULL_ALONE])
    async def prices(self, info: Info) -> list[Price] | None:
        """Loads every price."""
        return [Price.from_row(row) for row in await resolvers.prices(info.context, self.row.id)]

    @derived("Whether it is asked, after it failed.")
    def circuit(self, info: Info) -> Circuit:
        """Shapes the circuit."""
        circuits = info.context.services.router.circuits
        return Circuit(state=circuits.state(self.row.id), next_try_at=circuits.next_try_at(self.row.id))

    @field(
        Scope.PREDICTIONS_READ,
        "The project's predictions that it made, newest first.",
        directives=CONNECTION,
    )
    async def predictions(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
        filter: Filter = strawberry.UNSET,
        order_by: OrderBy = strawberry.UNSET,
    ) -> Connection[LazyPrediction] | None:
        """Loads a page of its predictions."""
        place = (first, after, last, before)
        return await predictions_of(info, "model_version", self.row.id, filter, order_by, place)


@one_of_type
class VersionRefInput:
    """One version of a model and no other, by exactly one of these."""

    id: strawberry.Maybe[strawberry.ID] = strawberry.field(description="Its global id.")
    version: strawberry.Maybe[str] = strawberry.field(description="Its version string.")

    def value(self, path: tuple[str, ...]) -> values.VersionRef:
        """Returns the reference; `path` is where it stands in the arguments."""
        if self.id:
            return values.VersionRef(id=row_id(self.id.value, "ModelVersion", path=(*path, "id")))
        return values.VersionRef(version=self.version.value if self.version else None)


@one_of_type
class ModelVersionRefInput:
    """A version of a model, by exactly one of these."""

    id: strawberry.Maybe[strawberry.ID] = strawberry.field(description="Its global id.")
    version: strawberry.Maybe[str] = strawberry.field(description="Its version string.")
    alias: strawberry.Maybe[str] = strawberry.field(
        description="An alias that leads to it: `production`. Of several targets it is the caller's."
    )

    def value(self, path: tuple[str, ...]) -> values.VersionRef:
        """Returns the reference; `path` is where it stands in the arguments."""
        if self.id:
            return values.VersionRef(id=row_id(self.id.value, "ModelVersion", path=(*path, "id")))
        if self.alias:
            return values.VersionRef(alias=self.alias.value)
        return values.VersionRef(version=self.version.value if self.version else None)


@one_of_type
class ModelRefInput:
    """A model, by exactly one of these."""

    id: strawberry.Maybe[strawberry.ID] = strawberry.field(description="Its global id.")
    name: strawberry.Maybe[str] = strawberry.field(description="Its name: `breast-cancer`.")

    def value(self, path: tuple[str, ...]) -> values.ModelRef:
        """Returns the reference; `path` is where it stands in the arguments."""
        if self.id:
            return values.ModelRef(id=row_id(self.id.value, "Model", path=(*path, "id")))
        return values.ModelRef(name=self.name.value if self.name else None)


@keyed(Reading("row", "id"))
def _versions(info: Info, **place: Any) -> Mapping[str, Connection[ModelVersion] | None] | None:
    """Returns the page of each model's versions for a place, by the model's id."""
    view = info.context.loaders.registry.view()
    if view is None:
        return None
    return version_pages(view, window(*(place.get(name) for name in ("first", "after", "last", "before"))))


@read_from_row(
    id=column("id", convert=partial(registered_id, "Model")),
    task=column("task", convert=TASKS.__getitem__),
    status=column("status", convert=STATUSES.__getitem__),
)
@node_type
class Model(Unchanging, Node):
    """An AI model, known by its name, with one or more versions."""

    row: strawberry.Private[ModelRow]
    name: str = strawberry.field(description="Unique and URL-safe: `breast-cancer`.")
    display_name: str = strawberry.field(description="Its name for people.")
    description: str | None = strawberry.field(description="What it does and for whom.")
    task: ModelTask = strawberry.field(description="Decides which input it takes and which output it gives.")
    status: ServingStatus = strawberry.field(description="The best status that one of its versions has.")
    tags: list[str] = strawberry.field(description="Words to find it by.")
    created_at: datetime = strawberry.field(description="When it was registered.")
    updated_at: datetime = strawberry.field(description="When it, or the status of a version, changed last.")
    deleted_at: datetime | None = strawberry.field(
        description="When it was deleted: it is in no list then, but what it did still leads to it."
    )

    @classmethod
    def from_row(cls, row: ModelRow) -> Self:
        """Shapes a model."""
        return with_row(cls, row)

    @derived("Whether it is the project's own: those of the operator only the registry file changes.")
    def is_own(self) -> bool:
        """Tells whose it is."""
        return self.row.project_id is not None

    @field(
        Scope.MODELS_READ,
        "Its movable names, those of the project and the operator's, by name.",
        directives=[NEVER_NULL_ALONE, ALIASES],
    )
    async def aliases(self, info: Info) -> list[ModelAlias] | None:
        """Loads the aliases."""
        return [ModelAlias.from_row(row) for row in await info.context.loaders.aliases_of.load(self.row.id)]

    @field(
        Scope.MODELS_READ,
        "Used when a request names neither version nor alias, and the model has no alias `default`.",
        bind=registered("ModelVersion", "default_version_id"),
    )
    def default_version(self, info: Info) -> ModelVersion | None:
        """Loads the default version."""
        if self.row.default_version_id is None:
            return None
        return found_as("ModelVersion", info.context.loaders.version.find(self.row.default_version_id))

    @field(Scope.MODELS_READ, "One of its versions; null where there is none such.")
    async def version(
        self,
        info: Info,
        ref: Annotated[ModelVersionRefInput, strawberry.argument(description="Which one.")],
    ) -> ModelVersion | None:
        """Loads a version."""
        return shaped("ModelVersion", await resolvers.version(info.context, self.row.id, ref.value(("ref",))))

    @field(Scope.MODELS_READ, "Its versions, newest first.", directives=CONNECTION, bind=_versions)
    def versions(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[ModelVersion] | None:
        """Loads a page of its versions."""
        at, registry = window(first, after, last, before), info.context.loaders.registry
        return when_found(
            registry.view() or registry.refreshed(), lambda view: version_pages(view, at)[self.row.id]
        )

    @field(
        Scope.PREDICTIONS_READ,
        "The project's predictions that it made, newest first.",
        directives=CONNECTION,
    )
    async def predictions(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
        filter: Filter = strawberry.UNSET,
        order_by: OrderBy = strawberry.UNSET,
    ) -> Connection[LazyPrediction] | None:
        """Loads a page of its predictions."""
        place = (first, after, last, before)
        return await predictions_of(info, "model", self.row.id, filter, order_by, place)

    @field(Scope.JOBS_READ, "The project's jobs for it, newest first.", directives=CONNECTION)
    async def jobs(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
        filter: JobFilterArgument = strawberry.UNSET,
        order_by: JobOrder = strawberry.UNSET,
    ) -> Connection[LazyJob] | None:
        """Loads a page of its jobs."""
        return await jobs_of_model(info, self.row.id, filter, order_by, (first, after, last, before))

    @field(Scope.USAGE_READ, "What the project's predictions by it used.", directives=USAGE)
    async def usage(self, info: Info, range: Range) -> UsageTotals | None:
        """Adds up what they used."""
        return await usage_of(info, "model_id", self.row.id, range)


@input_type
class ModelFilterInput:
    """Which models; all conditions hold at once."""

    task: list[ModelTask] | None = strawberry.field(
        default=strawberry.UNSET, description="Any of these tasks."
    )
    status: list[ServingStatus] | None = strawberry.field(
        default=strawberry.UNSET, description="Any of these statuses."
    )
    tags: list[str] | None = strawberry.field(default=strawberry.UNSET, description="Any of these tags.")
    search: str | None = strawberry.field(
        default=strawberry.UNSET, description="A part of the name, in any case."
    )

    def value(self) -> ModelFilter:
        """Returns the filter."""
        return ModelFilter(
            task=given_tuple(self.task),
            status=given_tuple(self.status),
            tags=given_tuple(self.tags),
            search=given(self.search),
        )


@enum_type
class ModelOrderField(StrEnum):
    """What models can be sorted by."""

    CREATED_AT = "CREATED_AT"
    UPDATED_AT = "UPDATED_AT"
    NAME = "NAME"

    @property
    def kinds(self) -> tuple[type, ...]:
        """The types of the values in a place of this order."""
        return {"CREATED_AT": (str,), "UPDATED_AT": (datetime, str), "NAME": (str, str)}[self]


@input_type
class ModelOrderInput:
    """How models are sorted."""

    field: ModelOrderField = strawberry.field(description="By what.")
    direction: OrderDirection = strawberry.field(description="Which way.")
