"""Models and former secrets of keys; who is behind a change"""

import sqlalchemy as sa
from alembic import op

from db import types

revision = "0010_access"
down_revision = "0009_registry"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Models and former secrets of keys; who is behind a change"""
    op.create_table(
        "retired_secret",
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("api_key_id", types.Id(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", types.Time(), nullable=False),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_key.id"]),
        sa.PrimaryKeyConstraint("prefix"),
    )
    op.create_index("ix_retired_secret_key", "retired_secret", ["api_key_id"])
    with op.batch_alter_table("api_key", schema=None) as batch_op:
        batch_op.add_column(sa.Column("models", types.Json(), nullable=True))
        batch_op.add_column(sa.Column("rotated_at", types.Time(), nullable=True))
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.add_column(sa.Column("actor_id", types.Id(), nullable=True))
        batch_op.add_column(sa.Column("subject_id", sa.String(100), nullable=True))
        batch_op.add_column(sa.Column("request_id", sa.String(128), nullable=True))
