"""Which host a delivery goes to, to look for others when that has enough to do"""

from urllib.parse import urlsplit

import sqlalchemy as sa
from alembic import op

revision = "0017_delivery_host"
down_revision = "0016_alias_deletion"
branch_labels = None
depends_on = None

MOST_HOST = 255


def upgrade() -> None:
    """Which host a delivery goes to, to look for others when that has enough to do"""
    host = sa.Column("host", sa.String(MOST_HOST), nullable=False, server_default="")
    op.add_column("webhook_delivery", host)
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT id, url FROM webhook_delivery")).all()
    told = [{"id": row.id, "host": (urlsplit(row.url).hostname or "")[:MOST_HOST]} for row in rows]
    if told:
        connection.execute(sa.text("UPDATE webhook_delivery SET host = :host WHERE id = :id"), told)
    op.drop_index("ix_delivery_due", "webhook_delivery")
    pending = sa.text("status = 'PENDING'")
    op.create_index(
        "ix_delivery_due",
        "webhook_delivery",
        ["next_attempt_at", "host"],
        sqlite_where=pending,
        postgresql_where=pending,
    )
