"""Lists of predictions: how they are narrowed and sorted, wherever in the graph they hang."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from db.filters import PredictionFilter
from engine.errors import InvalidInputError
from resolvers import predictions as resolvers
from schema.access import Info
from schema.columns import columns_of_page
from schema.enums import PredictionStatus
from schema.nodes import row_id, row_ids, shape_of
from schema.pages import Connection, OrderDirection, window
from schema.types import enum_type, given, given_tuple, input_type

if TYPE_CHECKING:
    from schema.predictions import Prediction

LazyPrediction = Annotated["Prediction", strawberry.lazy("schema.predictions")]
Place = tuple[int | None, str | None, int | None, str | None]


@input_type
class DateTimeRangeInput:
    """Half open: gte <= t < lt."""

    gte: datetime | None = strawberry.field(default=strawberry.UNSET, description="Not before this.")
    lt: datetime | None = strawberry.field(default=strawberry.UNSET, description="Before this.")


@input_type
class PredictionFilterInput:
    """Which predictions; all conditions hold at once, and a list means any of its entries."""

    status: list[PredictionStatus] | None = strawberry.field(
        default=strawberry.UNSET, description="Any of these."
    )
    model_id: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="Of any of these models."
    )
    model_version_id: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="Of any of these versions."
    )
    api_key_id: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="Asked for with any of these keys."
    )
    job_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Items of this job that no retry has replaced."
    )
    custom_id: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description="Items with any of these names."
    )
    cached: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Served from the cache, or not."
    )
    shadow: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description="True: only the copies that shadow targets got, which else are left out.",
    )
    created_at: DateTimeRangeInput | None = strawberry.field(
        default=strawberry.UNSET, description="Accepted within."
    )

    def value(self) -> PredictionFilter:
        """Returns the filter.

        Raises:
            InvalidInputError: an id is none, or one of another type.
        """
        return PredictionFilter(
            status=given_tuple(self.status),
            model_id=row_ids(self.model_id, "Model"),
            model_version_id=row_ids(self.model_version_id, "ModelVersion"),
            api_key_id=row_ids(self.api_key_id, "ApiKey"),
            job_id=row_id(self.job_id, "Job") if self.job_id else None,
            custom_id=given_tuple(self.custom_id),
            cached=given(self.cached),
            shadow=given(self.shadow) or False,
            since=given(self.created_at.gte) if self.created_at else None,
            until=given(self.created_at.lt) if self.created_at else None,
        )


@enum_type
class PredictionOrderField(StrEnum):
    """What predictions can be sorted by.

    FINISHED_AT leaves out those that are not finished. INDEX is for the items of one job; by the other
    fields they are in the order in which they ended.
    """

    CREATED_AT = "CREATED_AT"
    FINISHED_AT = "FINISHED_AT"
    INDEX = "INDEX"

    def kinds(self, *, of_job: bool) -> tuple[type, ...]:
        """The types of the values in a place of this order, of all predictions or of a job's.

        Raises:
            InvalidInputError: INDEX is an order of a job's only.
        """
        if of_job:
            return (int,)
        if self is PredictionOrderField.INDEX:
            message = "INDEX is an order of one job's items: filter by jobId."
            raise InvalidInputError(message, path=("orderBy", "field"))
        return (str,) if self is PredictionOrderField.CREATED_AT else (datetime, str)


@input_type
class PredictionOrderInput:
    """How predictions are sorted; newest first if left out."""

    field: PredictionOrderField = strawberry.field(description="By what.")
    direction: OrderDirection = strawberry.field(description="Which way.")


Filter = Annotated[PredictionFilterInput | None, strawberry.argument(description="Only these.")]
OrderBy = Annotated[PredictionOrderInput | None, strawberry.argument(description="Newest first if left out.")]

NEWEST_FIRST = PredictionOrderInput(field=PredictionOrderField.CREATED_AT, direction=OrderDirection.DESC)


async def predictions_page(
    info: Info, filter: PredictionFilterInput | None, order_by: PredictionOrderInput | None, place: Place
) -> Connection[Prediction]:
    """Loads a page of the project's predictions, and shapes it."""
    sorting = order_by or NEWEST_FIRST
    wanted = _wanted(filter, sorting)
    descending = sorting.direction is OrderDirection.DESC
    at = window(*place, order=sorting.field, kinds=sorting.field.kinds(of_job=wanted.job_id is not None))
    columns = columns_of_page(info, "Prediction")
    page = await resolvers.predictions_page(info.context, wanted, sorting.field, descending, at, columns)
    return _connection(page, partial(resolvers.count_predictions, info.context, wanted))


async def predictions_of(
    info: Info,
    kind: str,
    parent_id: str,
    filter: PredictionFilterInput | None,
    order_by: PredictionOrderInput | None,
    place: Place,
) -> Connection[Prediction]:
    """Loads a page of the predictions of a model, a version or a job, and shapes it."""
    sorting = order_by or NEWEST_FIRST
    wanted = _wanted(filter, sorting)
    descending = sorting.direction is OrderDirection.DESC
    at = window(*place, order=sorting.field, kinds=sorting.field.kinds(of_job=kind == "job"))
    columns = columns_of_page(info, "Prediction")
    page = await resolvers.predictions_of(
        info.context, kind, parent_id, wanted, sorting.field, descending, at, columns
    )
    return _connection(page, partial(resolvers.count_predictions_of, info.context, kind, parent_id, wanted))


def _wanted(filter: PredictionFilterInput | None, sorting: PredictionOrderInput) -> PredictionFilter:
    finished = sorting.field is PredictionOrderField.FINISHED_AT
    return replace(filter.value(), finished=finished) if filter else PredictionFilter(finished=finished)


def _connection(page: Any, count: Any) -> Connection[Prediction]:
    return Connection(page=page, shape=shape_of("Prediction"), count=count)
