"""Lists of jobs: how they are narrowed and sorted, wherever in the graph they hang."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from db.filters import JobFilter
from resolvers import jobs as resolvers
from schema.access import Info
from schema.enums import JobStatus
from schema.nodes import row_ids, shaped
from schema.pages import Connection, OrderDirection, window
from schema.prediction_lists import DateTimeRangeInput, Place
from schema.types import enum_type, given, given_tuple, input_type

if TYPE_CHECKING:
    from schema.jobs import Job

LazyJob = Annotated["Job", strawberry.lazy("schema.jobs")]


@input_type
class JobFilterInput:
    """Which jobs; all conditions hold at once, and a list means any of its entries."""

    status: list[JobStatus] | None = strawberry.field(default=strawberry.UNSET, description="Any of these.")
    model_id: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="For any of these models."
    )
    created_at: DateTimeRangeInput | None = strawberry.field(
        default=strawberry.UNSET, description="Accepted within."
    )

    def value(self) -> JobFilter:
        """Returns the filter.

        Raises:
            InvalidInputError: an id is none, or one of another type.
        """
        return JobFilter(
            status=given_tuple(self.status),
            model_id=row_ids(self.model_id, "Model"),
            since=given(self.created_at.gte) if self.created_at else None,
            until=given(self.created_at.lt) if self.created_at else None,
        )


@enum_type
class JobOrderField(StrEnum):
    """What jobs can be sorted by. FINISHED_AT leaves out those that have not ended."""

    CREATED_AT = "CREATED_AT"
    FINISHED_AT = "FINISHED_AT"

    @property
    def kinds(self) -> tuple[type, ...]:
        """The types of the values in a place of this order."""
        return (str,) if self is JobOrderField.CREATED_AT else (datetime, str)


@input_type
class JobOrderInput:
    """How jobs are sorted; newest first if left out."""

    field: JobOrderField = strawberry.field(description="By what.")
    direction: OrderDirection = strawberry.field(description="Which way.")


JobFilterArgument = Annotated[JobFilterInput | None, strawberry.argument(description="Only these.")]
JobOrder = Annotated[JobOrderInput | None, strawberry.argument(description="Newest first if left out.")]

NEWEST_FIRST = JobOrderInput(field=JobOrderField.CREATED_AT, direction=OrderDirection.DESC)


async def jobs_page(
    info: Info, filter: JobFilterInput | None, order_by: JobOrderInput | None, place: Place
) -> Connection[Job]:
    """Loads a page of the project's jobs, and shapes it."""
    sorting = order_by or NEWEST_FIRST
    wanted = _wanted(filter, sorting)
    descending = sorting.direction is OrderDirection.DESC
    at = window(*place, order=sorting.field, kinds=sorting.field.kinds)
    page = await resolvers.jobs_page(info.context, wanted, sorting.field, descending, at)
    return _connection(page, partial(resolvers.count_jobs, info.context, wanted))


async def jobs_of_model(
    info: Info,
    model_id: str,
    filter: JobFilterInput | None,
    order_by: JobOrderInput | None,
    place: Place,
) -> Connection[Job]:
    """Loads a page of the project's jobs for a model, and shapes it."""
    sorting = order_by or NEWEST_FIRST
    wanted = _wanted(filter, sorting)
    descending = sorting.direction is OrderDirection.DESC
    at = window(*place, order=sorting.field, kinds=sorting.field.kinds)
    page = await resolvers.jobs_of_model(info.context, model_id, wanted, sorting.field, descending, at)
    return _connection(page, partial(resolvers.count_jobs_of_model, info.context, model_id, wanted))


def _wanted(filter: JobFilterInput | None, sorting: JobOrderInput) -> JobFilter:
    wanted = filter.value() if filter else JobFilter()
    return replace(wanted, finished=sorting.field is JobOrderField.FINISHED_AT)


def _connection(page: Any, count: Any) -> Connection[Job]:
    return Connection(page=page, shape=partial(shaped, "Job"), count=count)
