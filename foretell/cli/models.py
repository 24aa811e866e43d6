"""`foretell models`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from db.queries import registry as queries
from engine.definitions import read_definitions
from engine.registry import Registry
from foretell.cli.opened import migrated_database
from foretell.cli.output import note, show_table

MOST_SHOWN = 80

app = typer.Typer(help="The models and their versions.", no_args_is_help=True, add_completion=False)


@app.command("list")
def list_all() -> None:
    """List every model with its versions; the default one carries a star."""
    asyncio.run(_list())


@app.command("apply")
def apply(
    file: Annotated[Path, typer.Argument(help="A TOML file of models.", exists=True, dir_okay=False)],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would change, and change nothing.")
    ] = False,
) -> None:
    """Register the models of a file; a running server takes them up within two seconds."""
    asyncio.run(_apply(file, dry_run))


async def _list() -> None:
    async with migrated_database() as database, database.read() as connection:
        found = await queries.everything(connection)
    named = {row.id: row for row in found.models}
    show_table(
        ("model", "version", "task", "backend", "status", "why"),
        [
            (
                named[row.model_id].name,
                row.version + ("*" if row.id == named[row.model_id].default_version_id else ""),
                named[row.model_id].task,
                row.backend,
                row.status,
                row.status_reason or "",
            )
            for row in found.versions
        ],
    )


async def _apply(file: Path, dry_run: bool) -> None:
    definitions = read_definitions(file)
    async with migrated_database() as database:
        changes = await Registry(database).apply(definitions, dry_run=dry_run)
    for change in changes:
        typer.echo(f"{change.what} {change.name}")
        for value in change.differences:
            typer.echo(f"  {value.name}: {_shown(value.before)} -> {_shown(value.after)}")
    note(f"{len(changes)} changes{' would be made' if dry_run else ''}." if changes else "Nothing to change.")


def _shown(value: Any) -> str:
    """Returns a value on one line, cut where nobody would read on."""
    text = "none" if value is None else orjson.dumps(value).decode()
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…"
