"""JobSubscriptions: the subscriptions that follow jobs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import strawberry

from engine.errors import InvalidInputError
from resolvers import job_streams as streams
from schema.access import Info, subscription
from schema.enums import Scope
from schema.jobs import Job, JobResultEvent
from schema.nodes import row_id, shaped
from schema.resuming import After, check_after

LEAST_INTERVAL_MS = 100
MOST_INTERVAL_MS = 60_000

JobId = Annotated[strawberry.ID, strawberry.argument(description="The job's global id.")]


@strawberry.type(description="What can be followed of jobs.")
class JobSubscriptions:
    """The part of the subscription root that is about jobs."""

    @subscription(
        Scope.JOBS_READ,
        "A job as it is, then as it last was, at most once every minIntervalMs; completes after the "
        "terminal state, which is always sent.",
    )
    async def job_progress(
        self,
        info: Info,
        id: JobId,
        min_interval_ms: Annotated[int, strawberry.argument(description="100 to 60000.")] = 250,
    ) -> AsyncGenerator[Job, None]:
        """Follows a job."""
        if not LEAST_INTERVAL_MS <= min_interval_ms <= MOST_INTERVAL_MS:
            raise InvalidInputError(
                f"minIntervalMs is from {LEAST_INTERVAL_MS} to {MOST_INTERVAL_MS}.",
                path=("minIntervalMs",),
                constraint=f"{LEAST_INTERVAL_MS} to {MOST_INTERVAL_MS}",
                received=min_interval_ms,
            )
        key = row_id(id, "Job", path=("id",))
        async with aclosing(streams.progress(info.context, key, min_interval_ms / 1000)) as rows:
            async for row in rows:
                yield Job.from_row(row)

    @subscription(
        Scope.PREDICTIONS_READ,
        "Each item of a job as it ends, in that order; completes when the job has ended. Reconnect with the "
        "last sequence seen. An item that was retried comes again.",
    )
    async def job_results(
        self,
        info: Info,
        id: JobId,
        after: After = 0,
    ) -> AsyncGenerator[JobResultEvent, None]:
        """Follows the items of a job."""
        check_after(after)
        key = row_id(id, "Job", path=("id",))
        async with aclosing(streams.results(info.context, key, after)) as rows:
            async for row in rows:
                yield JobResultEvent(sequence=row.job_sequence or 0, prediction=shaped("Prediction", row))
