"""Aliases of models, what a prediction was to its alias, and usage by that"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from db import types

revision = "0012_aliases"
down_revision = "0011_tiers"
branch_labels = None
depends_on = None

COUNTS = (
    "predictions",
    "failed",
    "cached",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "records",
    "cost_nanos",
    "unpriced",
)
KEY = ("project_id", "hour", "model_version_id", "api_key_id", "job_id", "alias_id", "part", "currency")
LISTS = {
    "ix_prediction_project": ["project_id", "id"],
    "ix_prediction_model": ["model_id", "project_id", "id"],
    "ix_prediction_version": ["model_version_id", "project_id", "id"],
    "ix_prediction_status": ["project_id", "status", "id"],
}


def upgrade() -> None:
    """Aliases of models, what a prediction was to its alias, and usage by that"""
    op.create_table(
        "model_alias",
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("model_id", types.Id(), nullable=False),
        sa.Column("project_id", types.Id(), nullable=True),
        sa.Column("name", sa.String(64), nullable=False),
        *_route(),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", types.Time(), nullable=False),
        sa.Column("updated_at", types.Time(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"]),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("model_id", "project_id", "name"),
    )
    shared = sa.text("project_id IS NULL")
    op.create_index(
        "ux_alias_shared_name",
        "model_alias",
        ["model_id", "name"],
        unique=True,
        sqlite_where=shared,
        postgresql_where=shared,
    )
    op.create_table(
        "model_alias_change",
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("alias_id", types.Id(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        *_route(),
        sa.Column("api_key_id", types.Id(), nullable=True),
        sa.Column("changed_at", types.Time(), nullable=False),
        sa.ForeignKeyConstraint(["alias_id"], ["model_alias.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("alias_id", "revision"),
    )
    _predictions()
    op.add_column("job", sa.Column("alias_id", types.Id(), nullable=True))
    op.add_column("job", sa.Column("fallbacks", types.Json(), nullable=False, server_default="[]"))
    op.add_column("usage", sa.Column("alias_id", types.Id(), nullable=True))
    op.add_column("usage", sa.Column("part", sa.String(8), nullable=False, server_default=""))
    _rollups("usage_rollup", "ix_rollup")
    _rollups("usage_rollup_day", "ix_rollup_day")


def _route() -> list[sa.Column[Any]]:
    return [
        sa.Column("targets", types.Json(), nullable=False),
        sa.Column("shadow", types.Json(), nullable=True),
        sa.Column("fallbacks", types.Json(), nullable=False),
    ]


def _predictions() -> None:
    for name in ("alias_id", "asked_version_id", "shadow_of"):
        op.add_column("prediction", sa.Column(name, types.Id(), nullable=True))
    shadow = sa.text("shadow_of IS NOT NULL")
    op.create_index(
        "ux_prediction_shadow",
        "prediction",
        ["shadow_of"],
        unique=True,
        sqlite_where=shadow,
        postgresql_where=shadow,
    )
    # Lists leave shadows out; with this column they and their counts still read nothing but the index.
    for name, columns in LISTS.items():
        op.drop_index(name, "prediction")
        op.create_index(name, "prediction", [*columns, "shadow_of"])


def _rollups(name: str, prefix: str) -> None:
    """Makes the table again with a longer key, and moves what is in it."""
    old = f"{name}_old"
    for kind in ("model", "key", "job"):
        op.drop_index(f"{prefix}_{kind}", name)
    op.rename_table(name, old)
    if op.get_bind().dialect.name == "postgresql":  # the index of the old key keeps the name of the new one
        op.execute(f"ALTER INDEX {name}_pkey RENAME TO {old}_pkey")
    columns: list[sa.Column[Any]] = [
        sa.Column("project_id", types.Id(), nullable=False),
        sa.Column("hour", types.Time(), nullable=False),
        sa.Column("model_version_id", types.Id(), nullable=False),
        sa.Column("api_key_id", types.Id(), nullable=False),
        sa.Column("job_id", types.Id(), nullable=False),
        sa.Column("alias_id", types.Id(), nullable=False),
        sa.Column("part", sa.String(8), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("model_id", types.Id(), nullable=False),
        *(sa.Column(count, sa.BigInteger(), nullable=False) for count in COUNTS),
        sa.Column("latency", sa.LargeBinary(), nullable=False),
        sa.Column("time_to_first_token", sa.LargeBinary(), nullable=False),
    ]
    names = [column.name for column in columns]
    op.create_table(name, *columns, sa.PrimaryKeyConstraint(*KEY))
    kept = ", ".join("''" if column in ("alias_id", "part") else column for column in names)
    op.execute(f"INSERT INTO {name} ({', '.join(names)}) SELECT {kept} FROM {old}")  # noqa: S608
    op.drop_table(old)
    op.create_index(f"{prefix}_model", name, ["project_id", "model_id", "hour"])
    op.create_index(f"{prefix}_key", name, ["api_key_id", "hour"])
    op.create_index(f"{prefix}_job", name, ["job_id"])
    op.create_index(f"{prefix}_alias", name, ["alias_id", "hour"])
