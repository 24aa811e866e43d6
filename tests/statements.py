"""Counting the statements that reach a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from db.session import Database


@contextmanager
def recorded(database: Database) -> Iterator[list[str]]:
    """Lends a list that every statement is added to, in order, while the context lasts."""
    statements: list[str] = []

    with database.watched(statements.append):
        yield statements
