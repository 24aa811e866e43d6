"""Jobs, the chunks of items they are worked off in, and the uploads they come from."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, UniqueConstraint
from sqlmodel import Field, SQLModel

from db.tables.base import id_field, reference, table_of
from db.types import Id, Json, Time, now

# SQLite numbers rows itself only where the key is called INTEGER.
Number = BigInteger().with_variant(Integer, "sqlite")


class JobRow(SQLModel, table=True):
    """A batch of items for one model version. Its counts are of items, and change with their rows."""

    __tablename__ = "job"
    __table_args__ = (
        Index("ix_job_project", "project_id", "id"),
        Index("ix_job_model", "model_id", "project_id", "id"),
        Index("ix_job_finished", "project_id", "finished_at", "id"),
        Index("ix_job_status", "status", "priority", "id"),
    )

    id: str = id_field()
    project_id: str = reference("project.id")
    api_key_id: str | None = reference("api_key.id", nullable=True)
    model_id: str = reference("model.id")
    model_version_id: str = reference("model_version.id")
    # The alias that led to the version, and the versions that stand in for it, in order.
    alias_id: str | None = Field(default=None, sa_type=Id)
    fallbacks: list[str] = Field(default_factory=list, sa_type=Json)
    request_id: str = Field(max_length=128)
    # The W3C trace that it was submitted in; its chunks go on with it, in whatever process.
    traceparent: str | None = Field(default=None, max_length=55)
    name: str | None = Field(default=None, max_length=200)
    status: str = Field(default="QUEUED", max_length=16)
    status_reason: str | None = Field(default=None)
    priority: int = Field(default=5)
    # How many chunks of it may be handed out at once; null is any number.
    max_chunks: int | None = Field(default=None)
    explain: str | None = Field(default=None, max_length=16)
    callback_url: str | None = Field(default=None, max_length=2048)
    meta: Any = Field(default=None, sa_type=Json, nullable=True)
    # Where the items are, one JSON object a line: a key of the storage; empty once they are deleted.
    source: str = Field(max_length=200)
    total: int
    succeeded: int = Field(default=0)
    failed: int = Field(default=0)
    canceled: int = Field(default=0)
    open_chunks: int
    # How many items became terminal so far, those that a retry replaced among them: the last job_sequence.
    sequence: int = Field(default=0)
    # Items a second of late, and where the count stood when that was reckoned.
    rate: float | None = Field(default=None)
    rate_sequence: int = Field(default=0)
    rate_at: datetime | None = Field(default=None, sa_type=Time)
    created_at: datetime = Field(default_factory=now, sa_type=Time)
    started_at: datetime | None = Field(default=None, sa_type=Time)
    finished_at: datetime | None = Field(default=None, sa_type=Time)
    deadline_at: datetime = Field(sa_type=Time)
    # The version has too much to do: nothing of the job starts before.
    not_before: datetime | None = Field(default=None, sa_type=Time)
    # While CANCELING: since when, and the terminal status it takes when its last chunk has ended.
    ending_at: datetime | None = Field(default=None, sa_type=Time)
    ends_as: str | None = Field(default=None, max_length=16)


class ChunkRow(SQLModel, table=True):
    """Some items of a job that one worker runs together: `size` of them from `first` on.

    pending → offered → done, or canceled. A worker that starts one raises `fence`, and whoever writes
    its results must name the number it got, so that only the last to start can.
    """

    __tablename__ = "chunk"
    __table_args__ = (
        UniqueConstraint("job_id", "first"),
        Index("ix_chunk_state", "job_id", "state", "first"),
        Index("ix_chunk_offered", "state", "offered_at"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Number)
    job_id: str = reference("job.id")
    first: int
    size: int
    # The bytes of the source that hold these items.
    start_byte: int = Field(sa_type=BigInteger)
    end_byte: int = Field(sa_type=BigInteger)
    state: str = Field(default="pending", max_length=16)
    # The items that are left, and how often each was tried; null: all of them, never.
    tries: dict[str, int] | None = Field(default=None, sa_type=Json)
    items_left: int
    not_before: datetime | None = Field(default=None, sa_type=Time)
    offered_at: datetime | None = Field(default=None, sa_type=Time)
    offered_by: str | None = Field(default=None, max_length=64)
    # Who runs it; null before it is started.
    owner: str | None = Field(default=None, max_length=64)
    fence: int = Field(default=0)
    # How often it was started without an end; what kills its process is not started for ever.
    starts: int = Field(default=0)


class UploadRow(SQLModel, table=True):
    """A file that a client may put, or has put. `sha256` is what it said, then what was counted."""

    __tablename__ = "upload"
    __table_args__ = (Index("ix_upload_expires", "expires_at"),)

    id: str = id_field()
    project_id: str = reference("project.id")
    filename: str = Field(max_length=255)
    byte_size: int = Field(sa_type=BigInteger)
    sha256: str | None = Field(default=None, max_length=64)
    key: str = Field(max_length=200)
    created_at: datetime = Field(default_factory=now, sa_type=Time)
    # Until when it may be put, and when what was put and never used is deleted.
    expires_at: datetime = Field(sa_type=Time)
    stored_at: datetime | None = Field(default=None, sa_type=Time)
    # The job whose source it is: its file stays as long as the job's.
    job_id: str | None = Field(default=None, max_length=32)


jobs = table_of(JobRow)
chunks = table_of(ChunkRow)
uploads = table_of(UploadRow)
