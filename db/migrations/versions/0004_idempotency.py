"""Idempotency keys"""

import sqlalchemy as sa
from alembic import op

from db import types

revision = "0004_idempotency"
down_revision = "0003_usage"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Idempotency keys"""
    op.create_table(
        "idempotency",
        sa.Column("project_id", types.Id(), nullable=False),
        sa.Column("operation", sa.String(32), nullable=False),
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("result_id", types.Id(), nullable=False),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("created_at", types.Time(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "operation", "key"),
    )
    with op.batch_alter_table("idempotency", schema=None) as batch_op:
        batch_op.create_index("ix_idempotency_created", ["created_at"], unique=False)
