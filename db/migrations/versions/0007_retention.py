"""The audit, retention, and an index of what a project has that is in no rollup yet"""

import sqlalchemy as sa
from alembic import op

from db import types

revision = "0007_retention"
down_revision = "0006_webhooks"
branch_labels = None
depends_on = None

UNFOLDED = sa.text("NOT folded")


def upgrade() -> None:
    """The audit, retention, and an index of what a project has that is in no rollup yet"""
    op.create_table(
        "audit",
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("project_id", types.Id(), nullable=True),
        sa.Column("at", types.Time(), nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("details", types.Json(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_audit_project", "audit", ["project_id", "id"])
    op.add_column("project", sa.Column("retention_days", sa.Integer(), nullable=True))
    op.add_column("project", sa.Column("purged_until", types.Time(), nullable=True))
    op.create_index(
        "ix_usage_unfolded_project",
        "usage",
        ["project_id", "finished_at"],
        sqlite_where=UNFOLDED,
        postgresql_where=UNFOLDED,
    )
