"""Jobs, chunks, uploads, and the predictions that are items"""

import sqlalchemy as sa
from alembic import op

from db import types

revision = "0005_jobs"
down_revision = "0004_idempotency"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Jobs, chunks, uploads, and the predictions that are items"""
    op.create_table(
        "upload",
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("project_id", types.Id(), nullable=False),
        sa.Column("filename", sa.String(255), nullable=False),
        sa.Column("byte_size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=True),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("created_at", types.Time(), nullable=False),
        sa.Column("expires_at", types.Time(), nullable=False),
        sa.Column("stored_at", types.Time(), nullable=True),
        sa.Column("job_id", sa.String(32), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("upload", schema=None) as batch_op:
        batch_op.create_index("ix_upload_expires", ["expires_at"], unique=False)

    op.create_table(
        "job",
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("project_id", types.Id(), nullable=False),
        sa.Column("api_key_id", types.Id(), nullable=True),
        sa.Column("model_id", types.Id(), nullable=False),
        sa.Column("model_version_id", types.Id(), nullable=False),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("name", sa.String(200), nullable=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("status_reason", sa.String(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("max_chunks", sa.Integer(), nullable=True),
        sa.Column("explain", sa.String(16), nullable=True),
        sa.Column("callback_url", sa.String(2048), nullable=True),
        sa.Column("meta", types.Json(), nullable=True),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("succeeded", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("canceled", sa.Integer(), nullable=False),
        sa.Column("open_chunks", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("rate", sa.Float(), nullable=True),
        sa.Column("rate_sequence", sa.Integer(), nullable=False),
        sa.Column("rate_at", types.Time(), nullable=True),
        sa.Column("created_at", types.Time(), nullable=False),
        sa.Column("started_at", types.Time(), nullable=True),
        sa.Column("finished_at", types.Time(), nullable=True),
        sa.Column("deadline_at", types.Time(), nullable=False),
        sa.Column("not_before", types.Time(), nullable=True),
        sa.Column("ending_at", types.Time(), nullable=True),
        sa.Column("ends_as", sa.String(16), nullable=True),
        sa.ForeignKeyConstraint(
            ["api_key_id"],
            ["api_key.id"],
        ),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["model.id"],
        ),
        sa.ForeignKeyConstraint(
            ["model_version_id"],
            ["model_version.id"],
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index("ix_job_finished", ["project_id", "finished_at", "id"], unique=False)
        batch_op.create_index("ix_job_model", ["model_id", "project_id", "id"], unique=False)
        batch_op.create_index("ix_job_project", ["project_id", "id"], unique=False)
        batch_op.create_index("ix_job_status", ["status", "priority", "id"], unique=False)

    op.create_table(
        "chunk",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("job_id", types.Id(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("start_byte", sa.BigInteger(), nullable=False),
        sa.Column("end_byte", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("tries", types.Json(), nullable=True),
        sa.Column("items_left", sa.Integer(), nullable=False),
        sa.Column("not_before", types.Time(), nullable=True),
        sa.Column("offered_at", types.Time(), nullable=True),
        sa.Column("offered_by", sa.String(64), nullable=True),
        sa.Column("owner", sa.String(64), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("starts", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["job.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("job_id", "first"),
    )
    with op.batch_alter_table("chunk", schema=None) as batch_op:
        batch_op.create_index("ix_chunk_offered", ["state", "offered_at"], unique=False)
        batch_op.create_index("ix_chunk_state", ["job_id", "state", "first"], unique=False)

    op.create_table(
        "server_secret",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.add_column("prediction", sa.Column("job_id", types.Id(), nullable=True))
    op.add_column("prediction", sa.Column("item_index", sa.Integer(), nullable=True))
    op.add_column("prediction", sa.Column("custom_id", sa.String(128), nullable=True))
    op.add_column("prediction", sa.Column("job_sequence", sa.Integer(), nullable=True))
    is_replaced: sa.Column[bool] = sa.Column(
        "is_replaced", sa.Boolean(), nullable=False, server_default=sa.false()
    )
    op.add_column("prediction", is_replaced)
    with op.batch_alter_table("prediction", schema=None) as batch_op:
        batch_op.create_index(
            "ix_prediction_custom",
            ["project_id", "custom_id", "id"],
            unique=False,
            sqlite_where=sa.text("custom_id IS NOT NULL"),
            postgresql_where=sa.text("custom_id IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_prediction_unlucky",
            ["job_id", "status", "job_sequence"],
            unique=False,
            sqlite_where=sa.text("job_id IS NOT NULL AND status <> 'SUCCEEDED'"),
            postgresql_where=sa.text("job_id IS NOT NULL AND status <> 'SUCCEEDED'"),
        )
        batch_op.create_index(
            "ux_prediction_item",
            ["job_id", "item_index"],
            unique=True,
            sqlite_where=sa.text("job_id IS NOT NULL AND is_replaced = 0"),
            postgresql_where=sa.text("job_id IS NOT NULL AND NOT is_replaced"),
        )
        batch_op.create_index(
            "ux_prediction_sequence",
            ["job_id", "job_sequence"],
            unique=True,
            sqlite_where=sa.text("job_id IS NOT NULL"),
            postgresql_where=sa.text("job_id IS NOT NULL"),
        )
