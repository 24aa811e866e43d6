"""Projects that are there already are not limited: they were not before"""

from alembic import op

revision = "0011_tiers"
down_revision = "0010_access"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Projects that are there already are not limited: they were not before"""
    op.execute("UPDATE project SET tier = 'internal'")
