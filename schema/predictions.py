"""Predictions: their type, with what they used and how long they took."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from db.tables import PredictionRow
from engine.ids import global_ids
from engine.money import from_nanos
from schema.access import NEVER_NULL_ALONE, Info, derived, field
from schema.directives import Cost
from schema.enums import (
    ErrorCode,
    PredictionStatus,
    Scope,
    UsageSource,
)
from schema.explanations import Explanation
from schema.money import Money
from schema.nodes import Node, column, found_as, node_type, read_from_row, shaped, times, with_row
from schema.pages import CONNECTION, After, Before, Connection, First, Last
from schema.prediction_data import PredictionInputData, PredictionOutput, shape_input, shape_output
from schema.registered import registered
from schema.scalars import JSON
from schema.types import by_value, object_type
from schema.webhooks import WebhookDelivery, deliveries_of

if TYPE_CHECKING:
    from schema.aliases import ModelAlias
    from schema.jobs import Job
    from schema.keys import ApiKey
    from schema.models import Model, ModelVersion

LARGE = Cost(weight="2")

STATUSES = by_value(PredictionStatus)
GLOBAL_ID = global_ids("Prediction")


USED = (
    *("usage_source", "input_tokens", "cached_input_tokens", "output_tokens", "records"),
    *("cost_nanos", "currency"),
)
TIMED = ("queue_ms", "inference_ms", "time_to_first_token_ms", "total_ms", "output_tokens")


@object_type
class ProcessingError:
    """Why a prediction FAILED."""

    code: ErrorCode = strawberry.field(description="What a program can act on.")
    message: str = strawberry.field(description="One sentence for a person.")
    retryable: bool = strawberry.field(description="Whether the same prediction can succeed later.")
    retry_after_seconds: float | None = strawberry.field(description="Seconds to wait before trying again.")
    request_id: str = strawberry.field(description="Finds the request in logs and traces.")


@object_type
class PredictionUsage:
    """What a prediction used. `cost` is null when the price is unknown."""

    input_tokens: int | None = strawberry.field(description="Tokens read.")
    cached_input_tokens: int | None = strawberry.field(
        description="Those of them that the provider had cached."
    )
    output_tokens: int | None = strawberry.field(description="Tokens written.")
    records: int | None = strawberry.field(description="Records or rows of tensors.")
    source: UsageSource = strawberry.field(description="Who counted.")
    cost: Money | None = strawberry.field(description="By the price that held when it finished.")


@read_from_row(
    overhead_ms=lambda self: _overhead_ms(self.row),
    tokens_per_second=lambda self: _tokens_per_second(self.row),
)
@object_type
class PredictionLatency:
    """Where the time went, in milliseconds."""

    row: strawberry.Private[PredictionRow]
    queue_ms: float | None = strawberry.field(description="From acceptance to the start.")
    inference_ms: float | None = strawberry.field(description="In the model.")
    time_to_first_token_ms: float | None = strawberry.field(
        description="From acceptance to the first token of a text."
    )
    tokens_per_second: float | None = strawberry.field(
        description="From the first token of a text to its last."
    )
    overhead_ms: float | None = strawberry.field(description="In Foretell: all but the queue and the model.")
    total_ms: float | None = strawberry.field(description="From acceptance to the end.")


@read_from_row(
    **times("created_at", "started_at", "finished_at"),
    id=column("id", convert=GLOBAL_ID),
    status=column("status", convert=STATUSES.__getitem__),
    index=column("item_index"),
)
@node_type
class Prediction(Node):
    """One question to a model and its answer, kept from acceptance on."""

    row: strawberry.Private[PredictionRow]
    status: PredictionStatus = strawberry.field(description="A terminal status never changes.")
    request_id: str = strawberry.field(description="The same id as in logs, traces and response headers.")
    created_at: datetime = strawberry.field(description="When it was accepted and stored.")
    started_at: datetime | None = strawberry.field(description="When it began to run.")
    finished_at: datetime | None = strawberry.field(description="When it became terminal.")
    cached: bool = strawberry.field(description="Served from the cache: no compute, no cost.")
    attempts: int = strawberry.field(description="Backend calls made, the first included.")
    index: int | None = strawberry.field(description="An item of a job: its place in the source, from 0.")
    custom_id: str | None = strawberry.field(description="An item of a job: its name in the source.")

    @classmethod
    def from_row(cls, row: PredictionRow) -> Self:
        """Shapes a prediction."""
        return with_row(cls, row)

    @derived("Whether cancelPrediction can have an effect, and the viewer may use it.", reads=("status",))
    def viewer_can_cancel(self, info: Info) -> bool:
        """Tells whether it can still be canceled."""
        return not self.status.is_terminal and Scope.PREDICTIONS_WRITE in info.context.viewer.scopes

    @derived("What the caller attached to it.", reads=("meta",))
    def metadata(self) -> JSON | None:
        """Returns the metadata."""
        return None if self.row.meta is None else JSON(self.row.meta)

    @field(
        Scope.MODELS_READ,
        "The model that was asked.",
        directives=[NEVER_NULL_ALONE],
        bind=registered("Model", "model_id"),
        reads=("model_id",),
    )
    def model(self, info: Info) -> Annotated[Model, strawberry.lazy("schema.models")] | None:
        """Loads the model."""
        return found_as("Model", info.context.loaders.model.find(self.row.model_id))

    @field(
        Scope.MODELS_READ,
        "The version that answered, or was asked last.",
        directives=[NEVER_NULL_ALONE],
        bind=registered("ModelVersion", "model_version_id"),
        reads=("model_version_id",),
    )
    def model_version(self, info: Info) -> Annotated[ModelVersion, strawberry.lazy("schema.models")] | None:
        """Loads the version."""
        return found_as("ModelVersion", info.context.loaders.version.find(self.row.model_version_id))

    @field(
        Scope.MODELS_READ,
        "The version that it was for: another than modelVersion if a fallback stood in.",
        directives=[NEVER_NULL_ALONE],
        reads=("asked_version_id", "model_version_id"),
    )
    async def asked_version(
        self, info: Info
    ) -> Annotated[ModelVersion, strawberry.lazy("schema.models")] | None:
        """Loads the version."""
        asked = self.row.asked_version_id or self.row.model_version_id
        return shaped("ModelVersion", await info.context.loaders.version.load(asked))

    @field(
        Scope.MODELS_READ,
        "The alias that led to the version; null if it was named or the default one.",
        reads=("alias_id",),
    )
    async def alias(self, info: Info) -> Annotated[ModelAlias, strawberry.lazy("schema.aliases")] | None:
        """Loads the alias."""
        if self.row.alias_id is None:
            return None
        return shaped("ModelAlias", await info.context.loaders.alias.load(self.row.alias_id))

    @field(
        Scope.PREDICTIONS_READ,
        "The copy of it that the shadow of its alias got, to compare; null where none was made.",
        reads=("id",),
    )
    async def shadow(self, info: Info) -> Prediction | None:
        """Loads the copy."""
        return shaped("Prediction", await info.context.loaders.shadow.load(self.row.id))

    @field(
        Scope.PREDICTIONS_READ,
        "What it is a copy of, made for a shadow target; else null.",
        reads=("shadow_of",),
    )
    async def shadow_of(self, info: Info) -> Prediction | None:
        """Loads the prediction that was copied."""
        if self.row.shadow_of is None:
            return None
        return shaped("Prediction", await info.context.loaders.prediction.load(self.row.shadow_of))

    @field(Scope.PREDICTIONS_READ, "What was asked; null once purged.", directives=[LARGE], reads=("id",))
    async def input(self, info: Info) -> PredictionInputData | None:
        """Loads the input."""
        value = await info.context.loaders.input.load(self.row.id)
        return None if value is None else shape_input(value)

    @field(
        Scope.PREDICTIONS_READ,
        "The answer; null until there is one, and once purged. Of a text that was cut, what there was.",
        directives=[LARGE],
        reads=("id",),
    )
    async def output(self, info: Info) -> PredictionOutput | None:
        """Loads the output."""
        value = await info.context.loaders.output.load(self.row.id)
        return None if value is None else shape_output(value)

    @derived("Set only when FAILED.", reads=("error", "request_id"))
    def error(self) -> ProcessingError | None:
        """Shapes the error."""
        error = self.row.error
        if error is None:
            return None
        return ProcessingError(
            code=ErrorCode(error["code"]),
            message=error["message"],
            retryable=error["retryable"],
            retry_after_seconds=error["retryAfterSeconds"],
            request_id=self.row.request_id,
        )

    @field(
        Scope.PREDICTIONS_READ,
        "Why this answer; null unless `explain` was asked for.",
        directives=[LARGE],
        reads=("explain", "id"),
    )
    async def explanation(self, info: Info) -> Explanation | None:
        """Loads the explanation."""
        value = await info.context.loaders.explanation.load(self.row.id) if self.row.explain else None
        return None if value is None else Explanation.from_json(value)

    @derived("What it used; null until it is terminal, and where nothing was used.", reads=USED)
    def usage(self) -> PredictionUsage | None:
        """Shapes the usage."""
        row = self.row
        if row.usage_source is None:
            return None
        known = row.cost_nanos is not None and row.currency is not None
        return PredictionUsage(
            input_tokens=row.input_tokens,
            cached_input_tokens=row.cached_input_tokens,
            output_tokens=row.output_tokens,
            records=row.records,
            source=UsageSource(row.usage_source),
            cost=Money(amount=from_nanos(row.cost_nanos or 0), currency=row.currency or "")
            if known
            else None,
        )

    @derived("Where the time went; null until it is terminal.", reads=TIMED)
    def latency(self) -> PredictionLatency | None:
        """Shapes the latency."""
        row = self.row
        if row.total_ms is None:
            return None
        return with_row(PredictionLatency, row)

    @field(
        Scope.JOBS_READ,
        "The job that it is an item of; null for one that was asked for alone.",
        reads=("job_id",),
    )
    async def job(self, info: Info) -> Annotated[Job, strawberry.lazy("schema.jobs")] | None:
        """Loads the job."""
        return shaped("Job", self.row.job_id and await info.context.loaders.job.load(self.row.job_id))

    @field(
        Scope.JOBS_READ,
        "The webhooks that told of this prediction, newest first.",
        directives=CONNECTION,
        reads=("id",),
    )
    async def webhook_deliveries(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[WebhookDelivery] | None:
        """Loads a page of its deliveries."""
        return await deliveries_of(info, "prediction", self.row.id, first, after, last, before)

    @field(Scope.KEYS_ADMIN, "The key that asked; null for a user's token.", reads=("api_key_id",))
    async def api_key(self, info: Info) -> Annotated[ApiKey, strawberry.lazy("schema.keys")] | None:
        """Loads the key."""
        if self.row.api_key_id is None:
            return None
        return shaped("ApiKey", await info.context.loaders.api_key.load(self.row.api_key_id))


def _overhead_ms(row: PredictionRow) -> float:
    return max(0.0, (row.total_ms or 0.0) - (row.queue_ms or 0.0) - (row.inference_ms or 0.0))


def _tokens_per_second(row: PredictionRow) -> float | None:
    """Returns the rate at which the tokens after the first one came."""
    first, tokens = row.time_to_first_token_ms, row.output_tokens
    if first is None or tokens is None or tokens < 2 or row.inference_ms is None:
        return None
    seconds = ((row.queue_ms or 0.0) + row.inference_ms - first) / 1000
    return (tokens - 1) / seconds if seconds > 0 else None
