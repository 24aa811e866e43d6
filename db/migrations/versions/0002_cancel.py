"""Predictions can be asked to be canceled"""

import sqlalchemy as sa
from alembic import op

revision = "0002_cancel"
down_revision = "0001_first"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Predictions can be asked to be canceled"""
    op.add_column(
        "prediction", sa.Column("cancel_requested", sa.Boolean(), nullable=False, server_default=sa.false())
    )
