"""Query: the roots that read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated, Any, cast

import strawberry

from db.filters import ModelFilter
from engine.errors import InvalidInputError
from resolvers import keys as key_resolvers
from resolvers import models as model_resolvers
from resolvers import usage as usage_resolvers
from resolvers.context import Context
from schema.access import ANYONE, Info, Needed, field, require
from schema.audit import AuditEvent, AuditFilterArgument, events_page
from schema.directives import Cost, ListSize
from schema.enums import Scope, UsageDimension, UsageInterval
from schema.job_lists import JobFilterArgument, JobOrder, jobs_page
from schema.jobs import Job
from schema.keys import Viewer
from schema.models import Model, ModelFilterInput, ModelOrderField, ModelOrderInput, ModelRefInput
from schema.nodes import Node, global_id, parse_id, row_id, shaped, unknown_id
from schema.pages import CONNECTION, After, Before, Connection, First, Last, OrderDirection, window
from schema.prediction_lists import Filter, OrderBy, predictions_page
from schema.predictions import Prediction
from schema.registered import shape_of_models
from schema.usage import KINDS, Range, UsageBucketConnection, UsageFilterInput, connection_of, usage_filter

MAX_NODES = 100

Id = Annotated[strawberry.ID, strawberry.argument(description="A global id.")]

Read = Callable[[Context, str], Awaitable[Any]]


def _loaded(loader: str) -> Read:
    async def read(context: Context, key: str) -> Any:
        return await getattr(context.loaders, loader).load(key)

    return read


async def _own_project(context: Context, key: str) -> Any:
    return await key_resolvers.own_project(context) if key == context.viewer.project_id else None


async def _viewer(context: Context, key: str) -> Any:
    return context.viewer if global_id("Viewer", key) == Viewer.from_row(context.viewer).id else None


# What reads each type of node, and the scope that it needs.
NODES: Mapping[str, tuple[Needed, Read]] = {
    "Model": (Scope.MODELS_READ, _loaded("model")),
    "ModelVersion": (Scope.MODELS_READ, _loaded("version")),
    "Prediction": (Scope.PREDICTIONS_READ, _loaded("prediction")),
    "Job": (Scope.JOBS_READ, _loaded("job")),
    "ApiKey": (Scope.KEYS_ADMIN, _loaded("api_key")),
    "Project": (ANYONE, _own_project),
    "Viewer": (ANYONE, _viewer),
    "AuditEvent": (Scope.KEYS_ADMIN, _loaded("audit_event")),
    "WebhookDelivery": (Scope.JOBS_READ, _loaded("delivery")),
}


@strawberry.type(description="Everything that can be read.")
class Query:
    """The query root."""

    @field(ANYONE, "Any object by its id; null where it is absent or not visible.")
    async def node(self, info: Info, id: Id) -> Node | None:
        """Loads a node."""
        return await _node(info.context, id)

    @field(
        ANYONE,
        "Objects by their ids, at most 100, in the same order; null where absent or not visible.",
        directives=[ListSize(assumed_size=MAX_NODES, slicing_arguments=["ids"])],
    )
    async def nodes(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="At most 100 global ids.")],
    ) -> list[Node | None]:
        """Loads nodes, those of a type together; one that can not be loaded is null, with its own error."""
        if len(ids) > MAX_NODES:
            message = f"At most {MAX_NODES} ids can be asked for at once."
            raise InvalidInputError(message, path=("ids",), constraint="maxItems", received=len(ids))
        loads = (_node(info.context, id) for id in ids)
        return cast(list[Node | None], await asyncio.gather(*loads, return_exceptions=True))

    @field(ANYONE, "Who is asking.")
    async def viewer(self, info: Info) -> Viewer | None:
        """Returns the viewer."""
        return Viewer.from_row(info.context.viewer)

    @field(Scope.MODELS_READ, "A model by id or name; null where there is none such.")
    async def model(
        self, info: Info, ref: Annotated[ModelRefInput, strawberry.argument(description="Which one.")]
    ) -> Model | None:
        """Loads a model."""
        return shaped("Model", await model_resolvers.model(info.context, ref.value(("ref",))))

    @field(
        Scope.MODELS_READ,
        "The models that the project sees: its own, and those of the operator. Newest first if not ordered.",
        directives=CONNECTION,
    )
    async def models(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
        filter: Annotated[
            ModelFilterInput | None, strawberry.argument(description="Only these.")
        ] = strawberry.UNSET,
        order_by: Annotated[
            ModelOrderInput | None, strawberry.argument(description="Newest first if left out.")
        ] = strawberry.UNSET,
    ) -> Connection[Model] | None:
        """Loads a page of models."""
        wanted = filter.value() if filter else ModelFilter()
        sorting = order_by or ModelOrderInput(field=ModelOrderField.CREATED_AT, direction=OrderDirection.DESC)
        descending = sorting.direction is OrderDirection.DESC
        at = window(first, after, last, before, order=sorting.field, kinds=sorting.field.kinds)
        page = await model_resolvers.models_page(info.context, wanted, sorting.field, descending, at)
        count = partial(model_resolvers.count_models, info.context, wanted)
        return Connection(page=page, shape=shape_of_models(info.context), count=count)

    @field(Scope.PREDICTIONS_READ, "A prediction by its id; null where it is absent or not visible.")
    async def prediction(self, info: Info, id: Id) -> Prediction | None:
        """Loads a prediction."""
        found = await info.context.loaders.prediction.load(row_id(id, "Prediction", path=("id",)))
        return shaped("Prediction", found)

    @field(Scope.PREDICTIONS_READ, "The project's predictions, newest first.", directives=CONNECTION)
    async def predictions(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
        filter: Filter = strawberry.UNSET,
        order_by: OrderBy = strawberry.UNSET,
    ) -> Connection[Prediction] | None:
        """Loads a page of predictions."""
        return await predictions_page(info, filter, order_by, (first, after, last, before))

    @field(Scope.JOBS_READ, "A job by its id; null where it is absent or not visible.")
    async def job(self, info: Info, id: Id) -> Job | None:
        """Loads a job."""
        return shaped("Job", await info.context.loaders.job.load(row_id(id, "Job", path=("id",))))

    @field(Scope.JOBS_READ, "The project's jobs, newest first.", directives=CONNECTION)
    async def jobs(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
        filter: JobFilterArgument = strawberry.UNSET,
        order_by: JobOrder = strawberry.UNSET,
    ) -> Connection[Job] | None:
        """Loads a page of jobs."""
        return await jobs_page(info, filter, order_by, (first, after, last, before))

    @field(
        Scope.KEYS_ADMIN,
        "Who changed what in the project, newest first: keys, models, aliases, budgets and more.",
        directives=CONNECTION,
    )
    async def audit_events(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
        filter: AuditFilterArgument = strawberry.UNSET,
    ) -> Connection[AuditEvent] | None:
        """Loads a page of changes."""
        return await events_page(info, filter, (first, after, last, before))

    @field(
        Scope.USAGE_READ,
        "What the project used, in buckets from the oldest on: at most 1000, HOUR for up to 7 days. Without "
        "groups every interval has one, also an empty one; with groups only what was used. Complete within "
        "the transaction that ends a prediction.",
        directives=[*CONNECTION, Cost(weight="10")],
    )
    async def usage(
        self,
        info: Info,
        range: Range,
        interval: Annotated[
            UsageInterval, strawberry.argument(description="How long a bucket is.")
        ] = UsageInterval.DAY,
        group_by: Annotated[
            list[UsageDimension], strawberry.argument(description="What to split by: any set of these.")
        ] = [],  # noqa: B006  # a GraphQL default, which is never changed
        filter: Annotated[
            UsageFilterInput | None, strawberry.argument(description="Only this.")
        ] = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> UsageBucketConnection | None:
        """Adds usage up, and shapes a page of it."""
        at = window(first, after, last, before, order=usage_resolvers.ORDER.name, kinds=KINDS)
        wanted = usage_filter(range, filter)
        answer = await usage_resolvers.usage(info.context, wanted, interval, group_by)
        return connection_of(answer, usage_resolvers.buckets_page(answer, at))


async def _node(context: Context, id: strawberry.ID) -> Any:
    type_name, key = parse_id(id)
    if type_name not in NODES:
        raise unknown_id(id)
    needed, read = NODES[type_name]
    require(context, needed)
    return shaped(type_name, await read(context, key))
