"""What every table's module needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, make_dataclass, replace
from typing import Any, TypeVar, cast

from pydantic.fields import FieldInfo
from sqlalchemy import Column, Table
from sqlmodel import Field, SQLModel

from db.types import Id, new_id

Row = TypeVar("Row", bound=SQLModel)


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


def unwatched(row: type[Row]) -> type[Row]:
    """Returns a class whose objects have the attributes of a row, and its defaults, and nothing else.

    SQLAlchemy watches each attribute of a row, so that to make one of fifty columns takes 150 µs, and one of
    these 3. They are for rows that are changed by statements, and never given to a session.
    """
    columns = [(name, Any, _field_of(column)) for name, column in row.model_fields.items()]
    made = make_dataclass(f"Unwatched{row.__name__}", columns, slots=True, kw_only=True, eq=False)
    return cast(type[Row], made)


def with_changes(row: Row, changes: Mapping[str, Any]) -> Row:
    """Returns a copy of an unwatched row in which some columns have other values."""
    return cast(Row, replace(cast(Any, row), **changes))


def _field_of(column: FieldInfo) -> Any:
    if column.is_required():
        return field()
    make = column.default_factory
    return field(default=column.default) if make is None else field(default_factory=cast(Any, make))
