"""Jobs: the type, and what a subscription tells of one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from db.tables import JobRow
from resolvers import jobs as resolvers
from schema.access import NEVER_NULL_ALONE, Info, derived, field
from schema.directives import Cost
from schema.enums import JobStatus, Scope
from schema.nodes import Node, found_as, global_id, node_type, shaped
from schema.pages import CONNECTION, After, Before, Connection, First, Last
from schema.prediction_lists import Filter, LazyPrediction, OrderBy, predictions_of
from schema.scalars import JSON, URL
from schema.types import object_type
from schema.usage import USAGE, UsageTotals, usage_of
from schema.webhooks import WebhookDelivery, deliveries_of

if TYPE_CHECKING:
    from schema.keys import ApiKey
    from schema.models import Model, ModelVersion


@object_type
class JobCounts:
    """The items of a job; `total` is the sum of the others."""

    total: int = strawberry.field(description="All of them, right from the start.")
    queued: int = strawberry.field(description="Not begun, or to be tried again.")
    running: int = strawberry.field(description="Begun by a worker.")
    succeeded: int = strawberry.field(description="With an output.")
    failed: int = strawberry.field(description="With an error, after up to three attempts.")
    canceled: int = strawberry.field(
        description="Never ended: the job was canceled, expired or broke. They are no predictions."
    )


@node_type
class Job(Node):
    """A batch of items for one model version."""

    row: strawberry.Private[JobRow]
    name: str | None = strawberry.field(description="What its owner calls it.")
    status: JobStatus = strawberry.field(description="How far it has come.")
    status_reason: str | None = strawberry.field(description="Why it is PAUSED, FAILED or EXPIRED.")
    priority: int = strawberry.field(description="0 (first) to 9, among the jobs of the project.")
    created_at: datetime = strawberry.field(description="When it was accepted and stored.")
    started_at: datetime | None = strawberry.field(description="When the first item began.")
    finished_at: datetime | None = strawberry.field(description="When the last item ended.")

    @classmethod
    def from_row(cls, row: JobRow) -> Self:
        """Shapes a job."""
        return cls(
            row=row,
            id=global_id("Job", row.id),
            name=row.name,
            status=JobStatus(row.status),
            status_reason=row.status_reason,
            priority=row.priority,
            created_at=row.created_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
        )

    @derived("What the caller attached to it.")
    def metadata(self) -> JSON | None:
        """Returns the metadata."""
        return None if self.row.meta is None else JSON(self.row.meta)

    @derived("Whether cancelJob can have an effect, and the viewer may use it.")
    def viewer_can_cancel(self, info: Info) -> bool:
        """Tells whether it can still be canceled."""
        is_stoppable = self.status in (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.PAUSED)
        return is_stoppable and Scope.JOBS_WRITE in info.context.viewer.scopes

    @derived("How many items there are, by what has become of them.")
    async def counts(self, info: Info) -> JobCounts:
        """Counts the items."""
        row = self.row
        left = row.total - row.succeeded - row.failed - row.canceled
        running = 0 if self.status.is_terminal else await info.context.loaders.running_items.load(row.id)
        running = min(running, left)  # the job was read a moment before
        return JobCounts(
            total=row.total,
            queued=left - running,
            running=running,
            succeeded=row.succeeded,
            failed=row.failed,
            canceled=row.canceled,
        )

    @derived("Terminal items / total, 0 to 1.")
    def progress(self) -> float:
        """Returns how much is done."""
        return (self.row.succeeded + self.row.failed + self.row.canceled) / self.row.total

    @derived("How many items end in a second: of late while it runs, over all of it once it has ended.")
    def items_per_second(self) -> float | None:
        """Returns the rate, None before there is one."""
        row = self.row
        if row.finished_at is None or row.started_at is None:
            return row.rate
        seconds = (row.finished_at - row.started_at).total_seconds()
        return (row.succeeded + row.failed) / seconds if seconds > 0 else None

    @derived("Seconds until the last item ends, if it goes on like this. Null until it can be estimated.")
    def eta_seconds(self) -> float | None:
        """Estimates the time that is left."""
        row = self.row
        if self.status is not JobStatus.RUNNING or not row.rate:
            return None
        return (row.total - row.succeeded - row.failed - row.canceled) / row.rate

    @field(Scope.MODELS_READ, "The model that is asked.", directives=[NEVER_NULL_ALONE])
    def model(self, info: Info) -> Annotated[Model, strawberry.lazy("schema.models")] | None:
        """Loads the model."""
        return found_as("Model", info.context.loaders.model.find(self.row.model_id))

    @field(Scope.MODELS_READ, "The version that answers.", directives=[NEVER_NULL_ALONE])
    def model_version(self, info: Info) -> Annotated[ModelVersion, strawberry.lazy("schema.models")] | None:
        """Loads the version."""
        return found_as("ModelVersion", info.context.loaders.version.find(self.row.model_version_id))

    @field(
        Scope.PREDICTIONS_READ,
        "The items that have ended, newest first; works while the job runs. An item becomes a prediction "
        "when it ends. One that a retry has replaced is not among them.",
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
        """Loads a page of its items."""
        place = (first, after, last, before)
        return await predictions_of(info, "job", self.row.id, filter, order_by, place)

    @field(
        Scope.PREDICTIONS_READ,
        "A signed address of the results so far (all of them once terminal) as JSON Lines in the order of "
        "the items, valid for an hour.",
        directives=[Cost(weight="5")],
    )
    def results_url(self, info: Info) -> URL | None:
        """Signs an address."""
        return URL(resolvers.results_url(info.context, self.row.id))

    @field(
        Scope.USAGE_READ, "What its items used so far, tries that were repeated included.", directives=USAGE
    )
    async def usage(self, info: Info) -> UsageTotals | None:
        """Adds up what its items used."""
        return await usage_of(info, "job_id", self.row.id, None)

    @field(Scope.JOBS_READ, "The webhooks that told of this job, newest first.", directives=CONNECTION)
    async def webhook_deliveries(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[WebhookDelivery] | None:
        """Loads a page of its deliveries."""
        return await deliveries_of(info, "job", self.row.id, first, after, last, before)

    @field(Scope.KEYS_ADMIN, "The key that submitted it; null for a user's token.")
    async def api_key(self, info: Info) -> Annotated[ApiKey, strawberry.lazy("schema.keys")] | None:
        """Loads the key."""
        if self.row.api_key_id is None:
            return None
        return shaped("ApiKey", await info.context.loaders.api_key.load(self.row.api_key_id))


@object_type
class JobResultEvent:
    """An item that has ended. Sequences start at 1 and rise by 1; drop what you have seen."""

    sequence: int = strawberry.field(description="The how manyth item of the job it was to end.")
    prediction: LazyPrediction = strawberry.field(description="The item.")
