"""`foretell schema`."""

from __future__ import annotations

from datetime import UTC, datetime
from difflib import unified_diff
from pathlib import Path
from typing import Annotated

import typer

from foretell.cli.failures import CommandError
from schema import schema
from schema.sdl.changes import breaking_changes, dangerous_changes
from schema.sdl.lints import lints
from schema.sdl.reference import reference

FILE = Path("schema.graphql")
REFERENCE = Path("docs/schema.md")
RELEASED = Path("releases/schema.graphql")
ACCEPTED = Path("releases/accepted.txt")
"""Dangerous changes since the release that were thought over, a line each, as `--check` words them."""

app = typer.Typer(add_completion=False)


@app.command("schema")
def show(
    write: Annotated[
        bool, typer.Option("--write", help="Write it to ./schema.graphql, and its reference to ./docs.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Fail if a file differs, or if a rule or a promise is broken."),
    ] = False,
    release: Annotated[
        bool, typer.Option("--release", help="Write it to ./releases: what is promised from now on.")
    ] = False,
    docs: Annotated[bool, typer.Option("--docs", help="Print its reference in Markdown instead.")] = False,
) -> None:
    """Print the GraphQL schema in its definition language."""
    text = sdl()
    if check:
        _check(text)
    elif release:
        _write(RELEASED, text)
        _write(ACCEPTED, "")
    elif write:
        _write(FILE, text)
        _write(REFERENCE, reference(text))
    else:
        typer.echo(reference(text) if docs else text, nl=False)


def sdl() -> str:
    """Returns the schema as it stands in `schema.graphql`."""
    return schema.as_str().strip() + "\n"


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")


def _check(text: str) -> None:
    _compare(FILE, text)
    _compare(REFERENCE, reference(text))
    problems = [*lints(text), *_broken_promises(text)]
    if problems:
        raise CommandError("\n".join(problems))


def _broken_promises(text: str) -> list[str]:
    if not RELEASED.exists():
        return []
    released, today = _read(RELEASED), datetime.now(UTC).date()
    breaking = breaking_changes(released, text, today)
    dangerous = dangerous_changes(released, text, today, _read(ACCEPTED).splitlines())
    return [
        *(f"Breaks clients of the last release: {change}" for change in breaking),
        *(f"May surprise clients; put it into {ACCEPTED} if it is meant: {change}" for change in dangerous),
    ]


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _compare(file: Path, wanted: str) -> None:
    written = _read(file)
    if written == wanted:
        return
    lines = unified_diff(written.splitlines(), wanted.splitlines(), str(file), "the schema", lineterm="", n=1)
    typer.echo("\n".join(lines))
    raise CommandError(f"{file} is not the schema any more: write it with `foretell schema --write`.")
