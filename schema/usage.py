"""Usage: what was used, by whom, for how much."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

import strawberry

from db.filters import UsageFilter
from db.tables.usage import NONE
from db.types import now
from engine.errors import InvalidInputError
from engine.money import from_nanos
from resolvers import usage as resolvers
from schema.access import NEVER_NULL_ALONE, Info, derived, field
from schema.directives import Cost
from schema.enums import Scope
from schema.money import Money
from schema.nodes import row_ids, shaped
from schema.pages import Connection
from schema.prediction_lists import DateTimeRangeInput
from schema.scalars import BigInt
from schema.types import given, input_type, object_type

if TYPE_CHECKING:
    from schema.jobs import Job
    from schema.keys import ApiKey
    from schema.models import Model, ModelVersion

KINDS = (datetime, str)
USAGE = (NEVER_NULL_ALONE, Cost(weight="5"))
"""The directives of a field with the usage of one thing."""

RANGE = (
    "Widened to whole hours, which is what usage is kept by; `gte` is required, and `lt` is now if left out."
)
Range = Annotated[DateTimeRangeInput, strawberry.argument(description=RANGE)]


@object_type
class UsageTotals:
    """What some predictions used together.

    Percentiles are read from sketches (DDSketch), each within 1 % of the true value; null where there is
    nothing to measure.
    """

    measured: strawberry.Private[resolvers.Measured]
    predictions: BigInt = strawberry.field(description="Predictions that have ended, however they did.")
    failed: BigInt = strawberry.field(description="Those of them that FAILED.")
    cached: BigInt = strawberry.field(description="Those of them that were served from the cache, for 0.")
    input_tokens: BigInt = strawberry.field(description="Tokens read, the cached ones among them.")
    cached_input_tokens: BigInt = strawberry.field(description="Tokens read that the provider had cached.")
    output_tokens: BigInt = strawberry.field(description="Tokens written.")
    records: BigInt = strawberry.field(description="Records or rows of tensors.")
    cost: Money = strawberry.field(
        description=(
            "What was charged in the main currency: that of most predictions of this answer, USD if none was "
            "charged. To the last nano unit; what is `unpriced` is not in it."
        )
    )
    other_costs: list[Money] = strawberry.field(
        description="What was charged in other currencies, each by itself: nothing is converted."
    )
    unpriced: BigInt = strawberry.field(
        description="Predictions whose price is not known; they are in no cost, and never count as free."
    )

    @classmethod
    def from_row(cls, measured: resolvers.Measured) -> Self:
        """Shapes totals."""
        totals, currency = measured.totals, measured.currency
        return cls(
            measured=measured,
            predictions=BigInt(totals.predictions),
            failed=BigInt(totals.failed),
            cached=BigInt(totals.cached),
            input_tokens=BigInt(totals.input_tokens),
            cached_input_tokens=BigInt(totals.cached_input_tokens),
            output_tokens=BigInt(totals.output_tokens),
            records=BigInt(totals.records),
            cost=_money(totals.cost_in(currency)),
            other_costs=[_money(cost) for cost in totals.other_costs(currency)],
            unpriced=BigInt(totals.unpriced),
        )

    @derived("Half of the predictions took no longer than this, from acceptance to their end.")
    async def latency_p50_ms(self) -> float | None:
        """Reads the median latency."""
        return await self._latency(0.5)

    @derived("95 % of the predictions took no longer than this.")
    async def latency_p95_ms(self) -> float | None:
        """Reads a percentile of the latency."""
        return await self._latency(0.95)

    @derived("99 % of the predictions took no longer than this.")
    async def latency_p99_ms(self) -> float | None:
        """Reads a percentile of the latency."""
        return await self._latency(0.99)

    @derived("Half of the texts had their first token no later than this after acceptance.")
    async def time_to_first_token_p50_ms(self) -> float | None:
        """Reads the median time to the first token."""
        return await self._first_token(0.5)

    @derived("95 % of the texts had their first token no later than this after acceptance.")
    async def time_to_first_token_p95_ms(self) -> float | None:
        """Reads a percentile of the time to the first token."""
        return await self._first_token(0.95)

    async def _latency(self, q: float) -> float | None:
        return (await self.measured.durations()).latency.quantiles(q)[0]

    async def _first_token(self, q: float) -> float | None:
        return (await self.measured.durations()).first_token.quantiles(q)[0]


@object_type
class UsageBucket:
    """One interval, of one group where the answer is split; a dimension not split by is null."""

    bucket: strawberry.Private[resolvers.Bucket]
    ids: strawberry.Private[dict[str, str]]
    start: datetime = strawberry.field(
        description="When it begins, in UTC; the first one begins with the range."
    )
    end: datetime = strawberry.field(description="When it ends; the last one ends with the range.")
    totals: UsageTotals = strawberry.field(description="What was used in it.")

    @field(Scope.MODELS_READ, "The model.")
    async def model(self, info: Info) -> Annotated[Model, strawberry.lazy("schema.models")] | None:
        """Loads the model."""
        return await self._load(info, "Model", info.context.loaders.model, "model_id")

    @field(Scope.MODELS_READ, "The version.")
    async def model_version(
        self, info: Info
    ) -> Annotated[ModelVersion, strawberry.lazy("schema.models")] | None:
        """Loads the version."""
        return await self._load(info, "ModelVersion", info.context.loaders.version, "model_version_id")

    @field(Scope.USAGE_READ, "The key; null also for what was asked without one.")
    async def api_key(self, info: Info) -> Annotated[ApiKey, strawberry.lazy("schema.keys")] | None:
        """Loads the key."""
        return await self._load(info, "ApiKey", info.context.loaders.api_key, "api_key_id")

    @field(Scope.JOBS_READ, "The job; null also for what belongs to none.")
    async def job(self, info: Info) -> Annotated[Job, strawberry.lazy("schema.jobs")] | None:
        """Loads the job."""
        return await self._load(info, "Job", info.context.loaders.job, "job_id")

    async def _load(self, info: Info, type_name: str, loader: Any, column: str) -> Any:
        row_id = self.ids.get(column, NONE)
        return None if row_id == NONE else shaped(type_name, await loader.load(row_id))


@strawberry.type(description="A page of buckets by their start, and the totals of all pages.")
class UsageBucketConnection(Connection[UsageBucket]):
    """A page of an answer, with the answer's totals."""

    answer: strawberry.Private[resolvers.Answer]

    @derived("What was used in the whole range.")
    def totals(self) -> UsageTotals:
        """Shapes the totals of the answer."""
        return UsageTotals.from_row(self.answer.measured())


@input_type
class UsageFilterInput:
    """Which usage; all conditions hold at once, and a list means any of its entries."""

    model_id: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="Of any of these models."
    )
    model_version_id: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="Of any of these versions."
    )
    api_key_id: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="Asked for with any of these keys."
    )


def usage_filter(range: DateTimeRangeInput, only: UsageFilterInput | None) -> UsageFilter:
    """Returns the filter that a range and a filter's input mean.

    Raises:
        InvalidInputError: the range has no begin, or an id is none.
    """
    since, until = _span(range)
    if not only:
        return UsageFilter(since, until)
    return UsageFilter(
        since,
        until,
        model_id=row_ids(only.model_id, "Model"),
        model_version_id=row_ids(only.model_version_id, "ModelVersion"),
        api_key_id=row_ids(only.api_key_id, "ApiKey"),
    )


def connection_of(answer: resolvers.Answer, page: Any) -> UsageBucketConnection:
    """Shapes a page of an answer."""

    def shape(bucket: resolvers.Bucket) -> UsageBucket:
        return UsageBucket(
            bucket=bucket,
            ids=dict(zip(answer.by, bucket.group, strict=True)),
            start=bucket.start,
            end=bucket.end,
            totals=UsageTotals.from_row(answer.measured(bucket)),
        )

    async def count() -> int:
        return len(answer.buckets)

    return UsageBucketConnection(page=page, shape=shape, count=count, answer=answer)


async def usage_of(info: Info, kind: str, parent_id: str, range: DateTimeRangeInput | None) -> UsageTotals:
    """Returns what one thing used in a range, or ever; `kind` is the column that holds its id."""
    span = None if range is None else _span(range)
    return UsageTotals.from_row(await resolvers.usage_of(info.context, kind, parent_id, span))


def _span(range: DateTimeRangeInput) -> tuple[datetime, datetime]:
    since = given(range.gte)
    if since is None:
        raise InvalidInputError("Say when the range begins.", path=("range", "gte"), constraint="required")
    return since, given(range.lt) or now()


def _money(cost: resolvers.Cost) -> Money:
    return Money(amount=from_nanos(cost.nanos), currency=cost.currency)
