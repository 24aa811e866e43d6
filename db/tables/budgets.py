"""Budgets: how much money a project or a key may spend, and what running work holds of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from db.tables.base import id_field, reference, table_of
from db.types import Id, Time, now


class BudgetRow(SQLModel, table=True):
    """A ceiling for each period; `spent` is of the one that began at `period_start`."""

    __tablename__ = "budget"
    __table_args__ = (
        UniqueConstraint("holder_id", "period"),
        Index("ix_budget_project", "project_id"),
    )

    id: str = id_field()
    project_id: str = reference("project.id")
    # The key's id, or for the whole project that of the project: it has no NULL, so it can be unique.
    holder_id: str = Field(sa_type=Id)
    api_key_id: str | None = reference("api_key.id", nullable=True)
    period: str = Field(max_length=8)
    period_start: datetime = Field(default_factory=now, sa_type=Time)
    currency: str = Field(max_length=3)
    limit_nanos: int = Field(sa_type=BigInteger)
    spent_nanos: int = Field(default=0, sa_type=BigInteger)
    # The sum of its holds.
    reserved_nanos: int = Field(default=0, sa_type=BigInteger)
    # The highest threshold, in percent, that was told of in this period.
    told: int = Field(default=0)
    callback_url: str | None = Field(default=None, max_length=2048)
    created_at: datetime = Field(default_factory=now, sa_type=Time)


class BudgetHoldRow(SQLModel, table=True):
    """What one prediction, or one chunk of a job, may cost at most: held until it is known what it did."""

    __tablename__ = "budget_hold"
    __table_args__ = (Index("ix_hold_budget", "budget_id"), Index("ix_hold_job", "job_id"))

    holder: str = Field(primary_key=True, max_length=64)
    budget_id: str = Field(foreign_key="budget.id", primary_key=True, sa_type=Id)
    nanos: int = Field(sa_type=BigInteger)
    job_id: str | None = Field(default=None, sa_type=Id)


budgets = table_of(BudgetRow)
budget_holds = table_of(BudgetHoldRow)
