"""The trace that a job was submitted in"""

import sqlalchemy as sa
from alembic import op

revision = "0013_traces"
down_revision = "0012_aliases"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The trace that a job was submitted in"""
    op.add_column("job", sa.Column("traceparent", sa.String(55), nullable=True))
