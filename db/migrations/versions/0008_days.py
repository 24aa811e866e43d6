"""Rollups of days; everything is added up again, by the first process that folds"""

import sqlalchemy as sa
from alembic import op

from db import types

revision = "0008_days"
down_revision = "0007_retention"
branch_labels = None
depends_on = None

COUNTS = (
    "predictions",
    "failed",
    "cached",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "records",
    "cost_nanos",
    "unpriced",
)


def upgrade() -> None:
    """Rollups of days; everything is added up again, by the first process that folds"""
    op.create_table(
        "usage_rollup_day",
        sa.Column("project_id", types.Id(), nullable=False),
        sa.Column("hour", types.Time(), nullable=False),
        sa.Column("model_version_id", types.Id(), nullable=False),
        sa.Column("api_key_id", types.Id(), nullable=False),
        sa.Column("job_id", types.Id(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("model_id", types.Id(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in COUNTS),
        sa.Column("latency", sa.LargeBinary(), nullable=False),
        sa.Column("time_to_first_token", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "hour", "model_version_id", "api_key_id", "job_id", "currency"),
    )
    op.create_index("ix_rollup_day_model", "usage_rollup_day", ["project_id", "model_id", "hour"])
    op.create_index("ix_rollup_day_key", "usage_rollup_day", ["api_key_id", "hour"])
    op.create_index("ix_rollup_day_job", "usage_rollup_day", ["job_id"])
    op.execute("DELETE FROM usage_rollup")
    usage = sa.table("usage", sa.column("folded", sa.Boolean()))
    op.execute(usage.update().values(folded=False))
