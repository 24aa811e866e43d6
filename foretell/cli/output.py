"""How a command shows what it found: tables for people, JSON for programs, both on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table that fits the terminal; where there is none, nothing is wrapped."""
    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(_harmless(cell)) for cell in row))  # Text: a name may hold [markup]
    Console(width=None if sys.stdout.isatty() else 1000).print(table)


def _harmless(text: str) -> str:
    """Returns a text that steers no terminal: a name may hold what is not printable."""
    return text if text.isprintable() else "".join(each if each.isprintable() else "�" for each in text)


def show_json(value: Any) -> None:
    """Prints a JSON value."""
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def note(text: str) -> None:
    """Tells a person something on stderr, out of the way of what a program reads from stdout."""
    typer.echo(text, err=True)


def moment(time: datetime | None) -> str:
    """Returns a time as `2026-11-20 16:29:49Z`, or a dash."""
    return "-" if time is None else f"{time:%Y-%m-%d %H:%M:%S}Z"
