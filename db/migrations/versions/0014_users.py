"""Users and their sessions"""

import sqlalchemy as sa
from alembic import op

from db import types

revision = "0014_users"
down_revision = "0013_traces"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Users and their sessions"""
    op.create_table(
        "user_account",
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("project_id", types.Id(), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("scopes", types.Json(), nullable=False),
        sa.Column("created_at", types.Time(), nullable=False),
        sa.Column("last_login_at", types.Time(), nullable=True),
        sa.Column("disabled_at", types.Time(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("email"),
    )
    op.create_index("ix_user_account_project", "user_account", ["project_id"])
    op.create_table(
        "user_session",
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("user_id", types.Id(), nullable=False),
        sa.Column("created_at", types.Time(), nullable=False),
        sa.Column("expires_at", types.Time(), nullable=False),
        sa.Column("ended_at", types.Time(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_user_session_user", "user_session", ["user_id"])
    op.create_table(
        "refresh_token",
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("session_id", types.Id(), nullable=False),
        sa.Column("used_at", types.Time(), nullable=True),
        sa.ForeignKeyConstraint(["session_id"], ["user_session.id"]),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index("ix_refresh_token_session", "refresh_token", ["session_id"])
