"""The registry's revision; models that are deleted, versions that are retired"""

import sqlalchemy as sa
from alembic import op

from db import types

revision = "0009_registry"
down_revision = "0008_days"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The registry's revision; models that are deleted, versions that are retired"""
    registry = op.create_table(
        "registry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.bulk_insert(registry, [{"id": 1, "revision": 0}])
    op.add_column("model", sa.Column("deleted_at", types.Time(), nullable=True))
    op.add_column("model_version", sa.Column("retired_at", types.Time(), nullable=True))
    op.add_column(
        "model_version",
        sa.Column("default_when_ready", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
