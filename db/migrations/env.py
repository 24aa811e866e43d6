"""Alembic's entry: `db.migrate` hands it a connection that is already in a locked transaction."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlmodel import AutoString, SQLModel

import db.tables  # noqa: F401  (fills the metadata)
from db import types


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Writes our column types as `types.Time()`, and SQLModel's strings as plain ones."""
    if isinstance(item, AutoString):
        return f"sa.String({item.length or ''})"
    if kind == "type" and type(item).__module__ == types.__name__:
        autogen.imports.add("from db import types")
        return f"types.{type(item).__name__}()"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    transaction_per_migration=False,
    render_item=render_item,
)
context.run_migrations()
