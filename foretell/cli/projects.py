"""`foretell projects`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from db.queries import keys as queries
from db.queries import retention as retention_queries
from engine.keys import Keys
from foretell.cli.opened import migrated_database, project_named
from foretell.cli.output import moment, show_table

app = typer.Typer(help="The tenants: rows of one project are invisible to every other.", no_args_is_help=True)


@app.command("create")
def create(name: Annotated[str, typer.Argument(help="At most 100 characters; unique.")]) -> None:
    """Make a project."""
    asyncio.run(_create(name))


@app.command("list")
def list_all() -> None:
    """List the projects."""
    asyncio.run(_list())


@app.command("retention")
def retention(
    name: Annotated[str, typer.Argument(help="The project.")],
    days: Annotated[
        int | None,
        typer.Option("--days", min=0, help="Days; 0 is for ever. What the setting says, if left out."),
    ] = None,
) -> None:
    """Say how long a project keeps inputs and outputs; its usage is always kept."""
    asyncio.run(_retention(name, days))


async def _create(name: str) -> None:
    async with migrated_database() as database:
        row = await Keys(database).create_project(name)
    typer.echo(f"Made the project {row.name}. Next: foretell keys create NAME --project {row.name}")


async def _list() -> None:
    async with migrated_database() as database, database.read() as connection:
        rows = await queries.all_projects(connection)
        counts = [await queries.count_keys(connection, row.id) for row in rows]
    show_table(
        ("project", "tier", "keys", "created"),
        [
            (row.name, row.tier, str(count), moment(row.created_at))
            for row, count in zip(rows, counts, strict=True)
        ],
    )


async def _retention(name: str, days: int | None) -> None:
    async with migrated_database() as database:
        owner = await project_named(database, name)
        async with database.write() as connection:
            await retention_queries.keep_for(connection, owner.id, days)
    how_long = "for ever" if days == 0 else f"for {days} days"
    typer.echo(f"{name} keeps inputs and outputs {'as the setting says' if days is None else how_long}.")
