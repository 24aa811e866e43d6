"""Webhooks"""

import sqlalchemy as sa
from alembic import op

from db import types

revision = "0006_webhooks"
down_revision = "0005_jobs"
branch_labels = None
depends_on = None

DUE = sa.text("status = 'PENDING'")


def upgrade() -> None:
    """Webhooks"""
    op.add_column("prediction", sa.Column("callback_url", sa.String(2048), nullable=True))
    op.create_table(
        "webhook_delivery",
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("project_id", types.Id(), nullable=False),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("url", sa.String(2048), nullable=False),
        sa.Column("payload", types.Json(), nullable=False),
        sa.Column("prediction_id", types.Id(), nullable=True),
        sa.Column("job_id", types.Id(), nullable=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_status_code", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("next_attempt_at", types.Time(), nullable=True),
        sa.Column("created_at", types.Time(), nullable=False),
        sa.Column("delivered_at", types.Time(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_delivery_due", "webhook_delivery", ["next_attempt_at"], sqlite_where=DUE, postgresql_where=DUE
    )
    op.create_index("ix_delivery_job", "webhook_delivery", ["job_id", "id"])
    op.create_index("ix_delivery_prediction", "webhook_delivery", ["prediction_id", "id"])
    op.create_index("ix_delivery_project", "webhook_delivery", ["project_id", "id"])
    op.create_table(
        "webhook_secret",
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("project_id", types.Id(), nullable=False),
        sa.Column("secret", sa.String(128), nullable=False),
        sa.Column("created_at", types.Time(), nullable=False),
        sa.Column("expires_at", types.Time(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_webhook_secret_project", "webhook_secret", ["project_id"])
