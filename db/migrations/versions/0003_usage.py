"""The usage ledger and its rollups"""

import sqlalchemy as sa
from alembic import op

from db import types

revision = "0003_usage"
down_revision = "0002_cancel"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The usage ledger and its rollups"""
    op.create_table(
        "usage",
        sa.Column("prediction_id", types.Id(), nullable=False),
        sa.Column("project_id", types.Id(), nullable=False),
        sa.Column("api_key_id", types.Id(), nullable=True),
        sa.Column("model_id", types.Id(), nullable=False),
        sa.Column("model_version_id", types.Id(), nullable=False),
        sa.Column("job_id", types.Id(), nullable=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("cached", sa.Boolean(), nullable=False),
        sa.Column("finished_at", types.Time(), nullable=False),
        sa.Column("input_tokens", sa.Integer(), nullable=False),
        sa.Column("cached_input_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("cost_nanos", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(3), nullable=True),
        sa.Column("total_ms", sa.Float(), nullable=True),
        sa.Column("time_to_first_token_ms", sa.Float(), nullable=True),
        sa.Column("folded", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("prediction_id"),
    )
    with op.batch_alter_table("usage", schema=None) as batch_op:
        batch_op.create_index("ix_usage_project", ["project_id", "finished_at"], unique=False)
        batch_op.create_index(
            "ix_usage_unfolded",
            ["prediction_id"],
            unique=False,
            sqlite_where=sa.text("NOT folded"),
            postgresql_where=sa.text("NOT folded"),
        )

    op.create_table(
        "usage_rollup",
        sa.Column("project_id", types.Id(), nullable=False),
        sa.Column("hour", types.Time(), nullable=False),
        sa.Column("model_version_id", types.Id(), nullable=False),
        sa.Column("api_key_id", types.Id(), nullable=False),
        sa.Column("job_id", types.Id(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("model_id", types.Id(), nullable=False),
        sa.Column("predictions", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("cached", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cached_input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("cost_nanos", sa.BigInteger(), nullable=False),
        sa.Column("unpriced", sa.BigInteger(), nullable=False),
        sa.Column("latency", sa.LargeBinary(), nullable=False),
        sa.Column("time_to_first_token", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "hour", "model_version_id", "api_key_id", "job_id", "currency"),
    )
    with op.batch_alter_table("usage_rollup", schema=None) as batch_op:
        batch_op.create_index("ix_rollup_job", ["job_id"], unique=False)
        batch_op.create_index("ix_rollup_key", ["api_key_id", "hour"], unique=False)
        batch_op.create_index("ix_rollup_model", ["project_id", "model_id", "hour"], unique=False)
