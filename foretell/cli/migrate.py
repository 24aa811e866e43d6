"""`foretell migrate`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from db.migrate import current_revision, is_behind, newest_revision, upgrade
from foretell.cli.failures import CommandError
from foretell.cli.opened import any_database

app = typer.Typer(add_completion=False)


@app.command("migrate")
def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail if there is something to do.")
    ] = False,
) -> None:
    """Bring the database to the tables this version needs. `serve` does so by itself."""
    asyncio.run(_check() if check else _upgrade())


async def _check() -> None:
    async with any_database() as database:
        revision = await current_revision(database)
    if is_behind(revision):
        raise CommandError(f"The database is at {revision or 'no migration'}, not at {newest_revision()}.")
    typer.echo(f"The database is at {revision}, and has what this version needs.")


async def _upgrade() -> None:
    async with any_database() as database:
        before = await current_revision(database)
        await upgrade(database)
    if not is_behind(before):
        typer.echo(f"The database is at {before} already.")
    else:
        typer.echo(f"The database went from {before or 'no migration'} to {newest_revision()}.")
