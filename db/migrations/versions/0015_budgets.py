"""Budgets, and what running work holds of them"""

import sqlalchemy as sa
from alembic import op

from db import types

revision = "0015_budgets"
down_revision = "0014_users"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Budgets, and what running work holds of them"""
    op.create_table(
        "budget",
        sa.Column("id", types.Id(), primary_key=True),
        sa.Column("project_id", types.Id(), sa.ForeignKey("project.id"), nullable=False),
        sa.Column("holder_id", types.Id(), nullable=False),
        sa.Column("api_key_id", types.Id(), sa.ForeignKey("api_key.id"), nullable=True),
        sa.Column("period", sa.String(8), nullable=False),
        sa.Column("period_start", types.Time(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("limit_nanos", sa.BigInteger(), nullable=False),
        sa.Column("spent_nanos", sa.BigInteger(), nullable=False),
        sa.Column("reserved_nanos", sa.BigInteger(), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("callback_url", sa.String(2048), nullable=True),
        sa.Column("created_at", types.Time(), nullable=False),
        sa.UniqueConstraint("holder_id", "period"),
    )
    op.create_index("ix_budget_project", "budget", ["project_id"])
    op.create_table(
        "budget_hold",
        sa.Column("holder", sa.String(64), primary_key=True),
        sa.Column("budget_id", types.Id(), sa.ForeignKey("budget.id"), primary_key=True),
        sa.Column("nanos", sa.BigInteger(), nullable=False),
        sa.Column("job_id", types.Id(), nullable=True),
    )
    op.create_index("ix_hold_budget", "budget_hold", ["budget_id"])
    op.create_index("ix_hold_job", "budget_hold", ["job_id"])
