"""Usage: the ledger, one row for each terminal prediction, and the rollups that are added up from it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, LargeBinary, text
from sqlmodel import Field, SQLModel

from db.tables.base import reference, table_of
from db.types import Id, Time

NONE = ""
"""Stands for no key, job or alias in a rollup's primary key, which has no room for NULL."""


class UsageRow(SQLModel, table=True):
    """What one prediction used. Written with its result, never changed but by a repricing.

    `part` is what it was to its alias: ARM, FALLBACK or SHADOW.
    """

    __tablename__ = "usage"
    __table_args__ = (
        Index(
            "ix_usage_unfolded",
            "prediction_id",
            sqlite_where=text("NOT folded"),
            postgresql_where=text("NOT folded"),
        ),
        Index(
            "ix_usage_unfolded_project",
            "project_id",
            "finished_at",
            sqlite_where=text("NOT folded"),
            postgresql_where=text("NOT folded"),
        ),
        Index("ix_usage_project", "project_id", "finished_at"),
    )

    prediction_id: str = Field(primary_key=True, sa_type=Id)
    project_id: str = reference("project.id")
    api_key_id: str | None = Field(default=None, sa_type=Id)
    model_id: str = Field(sa_type=Id)
    model_version_id: str = Field(sa_type=Id)
    job_id: str | None = Field(default=None, sa_type=Id)
    alias_id: str | None = Field(default=None, sa_type=Id)
    part: str = Field(default=NONE, max_length=8)
    status: str = Field(max_length=16)
    cached: bool = Field(default=False)
    finished_at: datetime = Field(sa_type=Time)
    input_tokens: int = Field(default=0)
    cached_input_tokens: int = Field(default=0)
    output_tokens: int = Field(default=0)
    records: int = Field(default=0)
    cost_nanos: int | None = Field(default=None, sa_type=BigInteger)
    currency: str | None = Field(default=None, max_length=3)
    total_ms: float | None = Field(default=None)
    time_to_first_token_ms: float | None = Field(default=None)
    folded: bool = Field(default=False)


class _Rollup(SQLModel):
    """What was used in a piece of time by one key of one version, in a job and part of an alias, or none."""

    project_id: str = Field(primary_key=True, sa_type=Id)
    hour: datetime = Field(primary_key=True, sa_type=Time)
    model_version_id: str = Field(primary_key=True, sa_type=Id)
    api_key_id: str = Field(default=NONE, primary_key=True, sa_type=Id)
    job_id: str = Field(default=NONE, primary_key=True, sa_type=Id)
    alias_id: str = Field(default=NONE, primary_key=True, sa_type=Id)
    part: str = Field(default=NONE, primary_key=True, max_length=8)
    currency: str = Field(default=NONE, primary_key=True, max_length=3)
    model_id: str = Field(sa_type=Id)
    predictions: int = Field(default=0, sa_type=BigInteger)
    failed: int = Field(default=0, sa_type=BigInteger)
    cached: int = Field(default=0, sa_type=BigInteger)
    input_tokens: int = Field(default=0, sa_type=BigInteger)
    cached_input_tokens: int = Field(default=0, sa_type=BigInteger)
    output_tokens: int = Field(default=0, sa_type=BigInteger)
    records: int = Field(default=0, sa_type=BigInteger)
    cost_nanos: int = Field(default=0, sa_type=BigInteger)
    unpriced: int = Field(default=0, sa_type=BigInteger)
    latency: bytes = Field(default=b"", sa_type=LargeBinary)
    time_to_first_token: bytes = Field(default=b"", sa_type=LargeBinary)


class RollupRow(_Rollup, table=True):
    """A rollup of one hour."""

    __tablename__ = "usage_rollup"
    __table_args__ = (
        Index("ix_rollup_model", "project_id", "model_id", "hour"),
        Index("ix_rollup_key", "api_key_id", "hour"),
        Index("ix_rollup_job", "job_id"),
        Index("ix_rollup_alias", "alias_id", "hour"),
    )


class DailyRollupRow(_Rollup, table=True):
    """A rollup of one day, which `hour` is the first hour of: long ranges read these."""

    __tablename__ = "usage_rollup_day"
    __table_args__ = (
        Index("ix_rollup_day_model", "project_id", "model_id", "hour"),
        Index("ix_rollup_day_key", "api_key_id", "hour"),
        Index("ix_rollup_day_job", "job_id"),
        Index("ix_rollup_day_alias", "alias_id", "hour"),
    )


usage = table_of(UsageRow)
rollups = table_of(RollupRow)
daily_rollups = table_of(DailyRollupRow)
