"""Prepared statements: those that return rows, compiled once, for what nearly every request reads.

SQLAlchemy takes 180 µs for a statement that SQLite answers in 6: it builds the statement, looks for it in its
cache, and wraps the rows. A prepared one is built when its module is imported, with named parameters, and
compiled at its first use, for the database that it is used on.
"""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

from sqlalchemy import Boolean, Select
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.compiler import Compiled, ExpandedState, SQLCompiler
from sqlalchemy.sql.dml import ReturningUpdate
from sqlalchemy.types import TypeEngine

from db.types import Json, Time, epoch_ms_or_none, from_epoch_ms_or_none, json_or_none

SQLITE: Dialect = SQLiteDialect_pysqlite()
POSTGRESQL: Dialect = PGDialect_asyncpg()  # type: ignore[no-untyped-call]
MAX_FORMS = 600
"""How many forms of one statement are kept; one with a list has a form for each length of it."""

BINDERS: Mapping[type[Any], Callable[[Any], Any] | None] = {
    Time: epoch_ms_or_none,
    Json: json_or_none,
    Boolean: None,
}
"""What a TypeDecorator does by two calls more, for each value; drivers bind True by themselves."""

Parameters = Mapping[str, Any]
Statement = Select[Any] | ReturningUpdate[Any]
RunPrepared = Callable[["Prepared", Parameters], Awaitable[Sequence[Any]]]
"""The method of a connection that runs prepared statements itself."""


class Prepared:
    """A SELECT, or an UPDATE that returns rows, whose parameters are all named `bindparam`s.

    Those in `lists` are `expanding` ones.
    """

    __slots__ = ("_forms", "lists", "statement")

    def __init__(self, statement: Statement, *, lists: Sequence[str] = ()) -> None:
        self.statement = statement
        self.lists = tuple(lists)
        self._forms: dict[tuple[Any, ...], Form] = {}

    async def all(self, connection: AsyncConnection, **parameters: Any) -> Sequence[Any]:
        """Returns all rows, with their columns as attributes. Raises what `connection.execute` raises."""
        run: RunPrepared = connection.run_prepared  # type: ignore[attr-defined]
        return await run(self, parameters)

    async def first(self, connection: AsyncConnection, **parameters: Any) -> Any:
        """Returns the first row, None if there is none."""
        rows = await self.all(connection, **parameters)
        return rows[0] if rows else None

    def form(self, parameters: Parameters, dialect: Dialect = SQLITE) -> Form:
        """Returns the statement compiled for a database, for lists as long as the given ones."""
        key = (dialect.name, *[len(parameters[name]) for name in self.lists])
        found = self._forms.get(key)
        if found is None:
            if len(self._forms) >= MAX_FORMS:
                self._forms.clear()
            found = self._forms[key] = Form(self.statement, parameters, dialect)
        return found


class Form:
    """A statement compiled for lists of certain lengths."""

    __slots__ = ("_arguments", "_make", "sql")

    def __init__(self, statement: Statement, parameters: Parameters, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        state = compiled.construct_expanded_state(dict(parameters))
        self.sql = state.statement
        self._arguments = [_argument(name, state, binder(compiled, name)) for name in state.positiontup or ()]
        # what the named tuple's `_make` does, without its call in Python and its look at the length
        self._make = partial(tuple.__new__, row_class(statement, dialect))

    def rows(self, connection: sqlite3.Connection, parameters: Parameters) -> list[Any]:
        """Runs the statement. Raises what sqlite3 raises."""
        return self.made(connection.execute(self.sql, self.arguments(parameters)).fetchall())

    def arguments(self, parameters: Parameters) -> tuple[Any, ...]:
        """Returns the parameters in the order of the statement, as the driver takes them."""
        return tuple([read(parameters) for read in self._arguments])

    def made(self, found: Iterable[Sequence[Any]]) -> list[Any]:
        """Returns what was found with its columns as attributes."""
        return list(map(self._make, found))


def row_class(statement: Statement, dialect: Dialect) -> Any:
    """Returns a named tuple of the columns as the driver gives them, whose attributes are what they mean.

    A time is made of its milliseconds when it is asked for, and most are not; `created_at_ms` has them.
    """
    types = {str(column.key): column.type for column in statement.exported_columns}
    base: Any = namedtuple("Row", list(types))  # type: ignore[misc]
    processors = {name: _processor(type_, dialect) for name, type_ in types.items()}
    members: dict[str, Any] = {
        name: property(_reader(index, processor))
        for index, (name, processor) in enumerate(processors.items())
        if processor is not None
    }
    for index, (name, type_) in enumerate(types.items()):
        if isinstance(type_, Time):
            members[f"{name}_ms"] = property(itemgetter(index))
    return type("Row", (base,), {"__slots__": (), "_asdict": _as_dict, **members})


def _processor(type_: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    if isinstance(type_, Time):
        return from_epoch_ms_or_none  # a TypeDecorator's own is two calls more, for each time of each row
    if dialect is POSTGRESQL and not isinstance(type_, Json):
        return None  # asyncpg gives Python's own values
    return type_.dialect_impl(dialect).result_processor(dialect, None)


def _reader(index: int, processor: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda row: processor(row[index])


def _as_dict(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row._fields}


def binder(compiled: Compiled, name: str) -> Callable[[Any], Any] | None:
    """Returns what makes of a parameter's value what the driver takes; None: it is that already."""
    assert isinstance(compiled, SQLCompiler)
    bound = compiled.binds.get(name)
    if bound is None:
        return None
    for kind, process in BINDERS.items():
        if isinstance(bound.type, kind):
            return process
    if compiled.dialect is POSTGRESQL:
        return None
    return bound.type.dialect_impl(SQLITE).bind_processor(SQLITE)


def _argument(
    name: str, state: ExpandedState, process: Callable[[Any], Any] | None
) -> Callable[[Parameters], Any]:
    """Returns how to find a positional argument among the named parameters and the constants."""
    for list_name, expanded in state.parameter_expansion.items():
        if name in expanded:
            index = expanded.index(name)
            return lambda parameters: parameters[list_name][index]
    constant = state.parameters.get(name)
    if process is not None:
        return lambda parameters: process(parameters.get(name, constant))
    return lambda parameters: parameters.get(name, constant)
