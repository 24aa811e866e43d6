"""When an alias was deleted"""

import sqlalchemy as sa
from alembic import op

from db import types

revision = "0016_alias_deletion"
down_revision = "0015_budgets"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """When an alias was deleted"""
    op.add_column("model_alias", sa.Column("deleted_at", types.Time(), nullable=True))
