"""Batches: the inputs and payloads of what is done with jobs and uploads."""

from __future__ import annotations

from datetime import datetime
from typing import Self

import strawberry

from db.tables import UploadRow
from engine.values import BatchItem, BatchRequest
from schema.enums import ExplanationMethod
from schema.errors import UserError
from schema.jobs import Job
from schema.models import ModelRefInput, ModelVersionRefInput
from schema.nodes import global_id, row_id
from schema.predict import PredictionDataInput
from schema.scalars import JSON, URL, BigInt
from schema.types import given, input_type, object_type, one_of_type

INPUT = ("input",)
REFUSED = "Why it was refused, every problem at once; else empty."


@input_type
class CreateUploadInput:
    """A file to put."""

    filename: str = strawberry.field(description="1 to 255 printable characters.")
    byte_size: int = strawberry.field(description="How many bytes it has: 1 to 1073741824.")
    sha256: str | None = strawberry.field(
        default=strawberry.UNSET, description="64 hexadecimal digits; checked when the file is put."
    )


@object_type
class Upload:
    """Leave to put a file, once."""

    id: strawberry.ID = strawberry.field(
        description="Goes to submitBatch or createModelVersion when the file is there."
    )
    filename: str = strawberry.field(description="As it was given.")
    byte_size: BigInt = strawberry.field(description="How many bytes must be put.")
    method: str = strawberry.field(description="The HTTP method to use: PUT.")
    url: URL = strawberry.field(description="Where to put the file; signed, so no API key is needed.")
    expires_at: datetime = strawberry.field(description="Until when it can be put.")

    @classmethod
    def from_row(cls, row: UploadRow, url: str) -> Self:
        """Shapes an upload."""
        return cls(
            id=global_id("Upload", row.id),
            filename=row.filename,
            byte_size=BigInt(row.byte_size),
            method="PUT",
            url=URL(url),
            expires_at=row.expires_at,
        )


@object_type
class CreateUploadPayload:
    """The upload, or why there is none."""

    upload: Upload | None = strawberry.field(default=None, description="Null if it was refused.")
    errors: list[UserError] = strawberry.field(default_factory=list, description=REFUSED)


@input_type
class BatchItemInput:
    """One item of a batch."""

    custom_id: str | None = strawberry.field(
        default=strawberry.UNSET, description="1 to 128 characters, unique in the batch."
    )
    data: PredictionDataInput = strawberry.field(description="What to predict from.")

    def value(self) -> BatchItem:
        """Returns the item."""
        return BatchItem(given(self.custom_id), self.data.value())


@one_of_type
class BatchSourceInput:
    """Where the items are, exactly one of these."""

    items: strawberry.Maybe[list[BatchItemInput]] = strawberry.field(description="1 to 1000 items, here.")
    upload_id: strawberry.Maybe[strawberry.ID] = strawberry.field(
        description="A file of JSON Lines, each a BatchItemInput: up to 1,000,000 lines and 1 GiB."
    )


@input_type
class SubmitBatchInput:
    """A job."""

    model: ModelRefInput = strawberry.field(description="The model to ask.")
    version: ModelVersionRefInput | None = strawberry.field(
        default=strawberry.UNSET,
        description="Which version of it; if left out that of the alias `default`, else the default one.",
    )
    sticky_key: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Draws the target of an alias that all items go to: 1 to 256 characters. The API key if "
        "left out.",
    )
    source: BatchSourceInput = strawberry.field(description="The items.")
    name: str | None = strawberry.field(
        default=strawberry.UNSET, description="What to call it; at most 200 characters."
    )
    priority: int = strawberry.field(
        default=5, description="0 (first) to 9, among the jobs of the project; projects take turns."
    )
    max_concurrency: int | None = strawberry.field(
        default=strawberry.UNSET, description="Items of this job in flight at once, over all workers."
    )
    explain: ExplanationMethod | None = strawberry.field(
        default=strawberry.UNSET, description="Also find out why; tabular models, at most 100 records each."
    )
    metadata: JSON | None = strawberry.field(
        default=strawberry.UNSET, description="Anything to find with the job again, at most 16 KiB."
    )
    callback_url: URL | None = strawberry.field(
        default=strawberry.UNSET,
        description="Gets job.succeeded, failed, canceled or expired, signed by Standard Webhooks.",
    )
    completion_window_seconds: int = strawberry.field(
        default=86_400,
        description="60 to 2592000. Past it the job is EXPIRED; items that have ended stay.",
    )
    idempotency_key: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="1 to 128 printable ASCII characters, kept 24 hours in the project: the same key with "
        "the same input returns the first job.",
    )

    def value(self) -> BatchRequest:
        """Returns the request as the engine takes it."""
        items, upload_id = self.source.items, self.source.upload_id
        path = (*INPUT, "source")
        return BatchRequest(
            model=self.model.value((*INPUT, "model")),
            version=self.version.value((*INPUT, "version")) if self.version else None,
            sticky_key=given(self.sticky_key),
            items=tuple(item.value() for item in items.value) if items else None,
            upload_id=row_id(upload_id.value, "Upload", path=(*path, "uploadId")) if upload_id else None,
            name=given(self.name),
            priority=self.priority,
            max_concurrency=given(self.max_concurrency),
            explain=given(self.explain),
            metadata=given(self.metadata),
            callback_url=given(self.callback_url),
            completion_window_seconds=self.completion_window_seconds,
            idempotency_key=given(self.idempotency_key),
        )


@object_type
class SubmitBatchPayload:
    """The job, QUEUED; or everything that is wrong, up to 100 problems, and nothing runs."""

    job: Job | None = strawberry.field(default=None, description="Null if it was refused.")
    replayed: bool = strawberry.field(
        default=False, description="Whether an earlier request with the same idempotency key made it."
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description=REFUSED)


@input_type
class CancelJobInput:
    """A job to cancel."""

    id: strawberry.ID = strawberry.field(description="The job's global id.")


@object_type
class CancelJobPayload:
    """The job, CANCELED, or CANCELING until what runs has stopped."""

    job: Job | None = strawberry.field(default=None, description="Null if it was refused.")
    errors: list[UserError] = strawberry.field(default_factory=list, description=REFUSED)


@input_type
class PauseJobInput:
    """A job to pause."""

    id: strawberry.ID = strawberry.field(description="The job's global id.")


@object_type
class PauseJobPayload:
    """The job, PAUSED; what runs goes on to its end."""

    job: Job | None = strawberry.field(default=None, description="Null if it was refused.")
    errors: list[UserError] = strawberry.field(default_factory=list, description=REFUSED)


@input_type
class ResumeJobInput:
    """A job to resume."""

    id: strawberry.ID = strawberry.field(description="The job's global id.")


@object_type
class ResumeJobPayload:
    """The job, to run again."""

    job: Job | None = strawberry.field(default=None, description="Null if it was refused.")
    errors: list[UserError] = strawberry.field(default_factory=list, description=REFUSED)


@input_type
class RetryJobInput:
    """A terminal job, failed items of which are to run again."""

    id: strawberry.ID = strawberry.field(description="The job's global id.")
    include_permanent: bool = strawberry.field(
        default=False, description="Also those whose error says that it will be the same next time."
    )


@object_type
class RetryJobPayload:
    """The job, QUEUED again, with a completion window as long as the first."""

    job: Job | None = strawberry.field(default=None, description="Null if it was refused.")
    errors: list[UserError] = strawberry.field(default_factory=list, description=REFUSED)
