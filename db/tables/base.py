"""What every table's module needs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Table
from sqlmodel import Field, SQLModel

from db.types import Id, new_id


def id_field() -> Any:
    """A primary key that `new_id` fills: it sorts by the time the row was made."""
    return Field(default_factory=new_id, primary_key=True, sa_type=Id)


def reference(target: str, *, nullable: bool = False) -> Any:
    """A foreign key to another table's id, `"model.id"`."""
    if nullable:
        return Field(default=None, foreign_key=target, sa_type=Id, nullable=True)
    return Field(foreign_key=target, sa_type=Id, nullable=False)


def table_of(row: type[SQLModel]) -> Table:
    """Returns the table a row class describes, for statements in SQLAlchemy Core."""
    table: Table = row.__table__  # type: ignore[attr-defined]
    return table


def columns_but(table: Table, *names: str) -> list[Column[Any]]:
    """Returns the columns of a table without the named ones, e.g. its large ones."""
    return [column for column in table.columns if column.key not in names]
