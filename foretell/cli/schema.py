"""`foretell schema`."""

from __future__ import annotations

from difflib import unified_diff
from pathlib import Path
from typing import Annotated

import typer

from foretell.cli.failures import CommandError
from schema import schema

FILE = Path("schema.graphql")


def show(
    write: Annotated[bool, typer.Option("--write", help="Write it to ./schema.graphql.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Fail if ./schema.graphql differs.")] = False,
) -> None:
    """Print the GraphQL schema in its definition language."""
    if check:
        _compare(sdl())
    elif write:
        FILE.write_text(sdl(), encoding="utf-8")
    else:
        typer.echo(sdl(), nl=False)


def sdl() -> str:
    """Returns the schema as it stands in `schema.graphql`."""
    return schema.as_str().strip() + "\n"


def _compare(wanted: str) -> None:
    written = FILE.read_text(encoding="utf-8") if FILE.exists() else ""
    if written == wanted:
        return
    lines = unified_diff(written.splitlines(), wanted.splitlines(), str(FILE), "the schema", lineterm="", n=1)
    typer.echo("\n".join(lines))
    raise CommandError(f"{FILE} is not the schema any more: write it with `foretell schema --write`.")
