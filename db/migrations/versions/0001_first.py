"""Projects, keys, models, versions, prices and predictions"""

import sqlalchemy as sa
from alembic import op

from db import types

revision = "0001_first"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Projects, keys, models, versions, prices and predictions"""
    op.create_table(
        "project",
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("tier", sa.String(32), nullable=False),
        sa.Column("created_at", types.Time(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "api_key",
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("project_id", types.Id(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", types.Json(), nullable=False),
        sa.Column("created_at", types.Time(), nullable=False),
        sa.Column("last_used_at", types.Time(), nullable=True),
        sa.Column("expires_at", types.Time(), nullable=True),
        sa.Column("revoked_at", types.Time(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("prefix"),
    )
    op.create_table(
        "model",
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("project_id", types.Id(), nullable=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("display_name", sa.String(200), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("task", sa.String(32), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("tags", types.Json(), nullable=False),
        sa.Column("default_version_id", sa.String(32), nullable=True),
        sa.Column("created_at", types.Time(), nullable=False),
        sa.Column("updated_at", types.Time(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("project_id", "name"),
    )
    with op.batch_alter_table("model", schema=None) as batch_op:
        batch_op.create_index(
            "ux_model_shared_name",
            ["name"],
            unique=True,
            sqlite_where=sa.text("project_id IS NULL"),
            postgresql_where=sa.text("project_id IS NULL"),
        )

    op.create_table(
        "model_version",
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("model_id", types.Id(), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("status_reason", sa.String(), nullable=True),
        sa.Column("backend", sa.String(32), nullable=False),
        sa.Column("config", types.Json(), nullable=False),
        sa.Column("inputs", types.Json(), nullable=False),
        sa.Column("outputs", types.Json(), nullable=False),
        sa.Column("input_schema", types.Json(), nullable=True),
        sa.Column("max_batch_size", sa.Integer(), nullable=True),
        sa.Column("created_at", types.Time(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["model.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("model_id", "version"),
    )
    op.create_table(
        "prediction",
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("project_id", types.Id(), nullable=False),
        sa.Column("api_key_id", types.Id(), nullable=True),
        sa.Column("model_id", types.Id(), nullable=False),
        sa.Column("model_version_id", types.Id(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("created_at", types.Time(), nullable=False),
        sa.Column("started_at", types.Time(), nullable=True),
        sa.Column("finished_at", types.Time(), nullable=True),
        sa.Column("deadline_at", types.Time(), nullable=True),
        sa.Column("cached", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(64), nullable=True),
        sa.Column("lease_until", types.Time(), nullable=True),
        sa.Column("usage_source", sa.String(16), nullable=True),
        sa.Column("input_tokens", sa.Integer(), nullable=True),
        sa.Column("cached_input_tokens", sa.Integer(), nullable=True),
        sa.Column("output_tokens", sa.Integer(), nullable=True),
        sa.Column("records", sa.Integer(), nullable=True),
        sa.Column("cost_nanos", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(3), nullable=True),
        sa.Column("queue_ms", sa.Float(), nullable=True),
        sa.Column("inference_ms", sa.Float(), nullable=True),
        sa.Column("time_to_first_token_ms", sa.Float(), nullable=True),
        sa.Column("total_ms", sa.Float(), nullable=True),
        sa.Column("error", types.Json(), nullable=True),
        sa.Column("meta", types.Json(), nullable=True),
        sa.Column("explain", sa.String(16), nullable=True),
        sa.Column("explanation", types.Json(), nullable=True),
        sa.Column("input", types.Json(), nullable=True),
        sa.Column("output", types.Json(), nullable=True),
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
    with op.batch_alter_table("prediction", schema=None) as batch_op:
        batch_op.create_index("ix_prediction_finished", ["project_id", "finished_at", "id"], unique=False)
        batch_op.create_index("ix_prediction_key", ["api_key_id", "id"], unique=False)
        batch_op.create_index("ix_prediction_model", ["model_id", "project_id", "id"], unique=False)
        batch_op.create_index(
            "ix_prediction_open",
            ["lease_until"],
            unique=False,
            sqlite_where=sa.text("status IN ('QUEUED', 'RUNNING')"),
            postgresql_where=sa.text("status IN ('QUEUED', 'RUNNING')"),
        )
        batch_op.create_index("ix_prediction_project", ["project_id", "id"], unique=False)
        batch_op.create_index("ix_prediction_status", ["project_id", "status", "id"], unique=False)
        batch_op.create_index("ix_prediction_version", ["model_version_id", "project_id", "id"], unique=False)

    op.create_table(
        "price",
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("model_version_id", types.Id(), nullable=False),
        sa.Column("valid_from", types.Time(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("input_nanos_per_million", sa.BigInteger(), nullable=True),
        sa.Column("cached_input_nanos_per_million", sa.BigInteger(), nullable=True),
        sa.Column("output_nanos_per_million", sa.BigInteger(), nullable=True),
        sa.Column("nanos_per_prediction", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["model_version_id"],
            ["model_version.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("model_version_id", "valid_from"),
    )
