"""Counting the statements that reach a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from db.session import Database


@contextmanager
def recorded(database: Database) -> Iterator[list[str]]:
    """Lends a list that every statement is added to, in order, while the context lasts."""
    statements: list[str] = []

    def record(_: Any, __: Any, statement: str, *others: Any) -> None:
        statements.append(statement)

    engines = [engine.sync_engine for engine in database.engines]
    for engine in engines:
        event.listen(engine, "before_cursor_execute", record)
    try:
        yield statements
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", record)
