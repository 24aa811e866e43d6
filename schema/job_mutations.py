"""JobMutations: the mutations that take in jobs and control them."""

from __future__ import annotations

from typing import Annotated

import strawberry

from resolvers import jobs as resolvers
from schema.access import Info, mutation
from schema.answering import answering
from schema.batches import (
    CancelJobInput,
    CancelJobPayload,
    CreateUploadInput,
    CreateUploadPayload,
    PauseJobInput,
    PauseJobPayload,
    ResumeJobInput,
    ResumeJobPayload,
    RetryJobInput,
    RetryJobPayload,
    SubmitBatchInput,
    SubmitBatchPayload,
    Upload,
)
from schema.directives import Cost
from schema.enums import Scope
from schema.jobs import Job
from schema.nodes import row_id
from schema.types import given

ID = ("input", "id")


@strawberry.type(description="What can be done with jobs.")
class JobMutations:
    """The part of the mutation root that is about jobs."""

    @mutation(
        frozenset({Scope.JOBS_WRITE, Scope.MODELS_WRITE}),  # it tells only later which it is for
        "Gives leave to put a file of items, or of a model, at a signed address within the hour; its id goes "
        "to submitBatch or createModelVersion. JOBS_WRITE or MODELS_WRITE is enough.",
    )
    @answering(CreateUploadPayload)
    async def create_upload(
        self,
        info: Info,
        input: Annotated[CreateUploadInput, strawberry.argument(description="What will be put.")],
    ) -> CreateUploadPayload:
        """Makes an upload."""
        row, url = await resolvers.create_upload(
            info.context, input.filename, input.byte_size, given(input.sha256)
        )
        return CreateUploadPayload(upload=Upload.from_row(row, url))

    @mutation(
        Scope.JOBS_WRITE,
        "Takes in a batch, once every item of it was checked: all of it, or nothing.",
        directives=[Cost(weight="20")],
    )
    @answering(SubmitBatchPayload)
    async def submit_batch(
        self,
        info: Info,
        input: Annotated[SubmitBatchInput, strawberry.argument(description="What to ask of which model.")],
    ) -> SubmitBatchPayload:
        """Makes a job."""
        row, replayed = await resolvers.submit(info.context, input.value())
        return SubmitBatchPayload(job=Job.from_row(row), replayed=replayed)

    @mutation(
        Scope.JOBS_WRITE,
        "Stops a job: no item starts any more, running ones are canceled, and those that have ended stay.",
    )
    @answering(CancelJobPayload)
    async def cancel_job(
        self, info: Info, input: Annotated[CancelJobInput, strawberry.argument(description="Which job.")]
    ) -> CancelJobPayload:
        """Cancels a job."""
        row = await resolvers.cancel(info.context, row_id(input.id, "Job", path=ID))
        return CancelJobPayload(job=Job.from_row(row))

    @mutation(Scope.JOBS_WRITE, "Lets no more items of a job start until it is resumed.")
    @answering(PauseJobPayload)
    async def pause_job(
        self, info: Info, input: Annotated[PauseJobInput, strawberry.argument(description="Which job.")]
    ) -> PauseJobPayload:
        """Pauses a job."""
        row = await resolvers.pause(info.context, row_id(input.id, "Job", path=ID))
        return PauseJobPayload(job=Job.from_row(row))

    @mutation(Scope.JOBS_WRITE, "Lets a paused job go on.")
    @answering(ResumeJobPayload)
    async def resume_job(
        self, info: Info, input: Annotated[ResumeJobInput, strawberry.argument(description="Which job.")]
    ) -> ResumeJobPayload:
        """Resumes a job."""
        row = await resolvers.resume(info.context, row_id(input.id, "Job", path=ID))
        return ResumeJobPayload(job=Job.from_row(row))

    @mutation(
        Scope.JOBS_WRITE,
        "Queues the failed items of a terminal job again, in the same job: those that may succeed next time. "
        "Their first predictions stay as they are, but are no longer among the job's.",
        directives=[Cost(weight="20")],
    )
    @answering(RetryJobPayload)
    async def retry_job(
        self, info: Info, input: Annotated[RetryJobInput, strawberry.argument(description="Which job.")]
    ) -> RetryJobPayload:
        """Retries a job."""
        job_id = row_id(input.id, "Job", path=ID)
        row = await resolvers.retry(info.context, job_id, permanent_too=input.include_permanent)
        return RetryJobPayload(job=Job.from_row(row))
