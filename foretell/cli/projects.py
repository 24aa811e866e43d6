"""`foretell projects`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from db.queries import keys as queries
from db.queries import retention as retention_queries
from engine.audit import OPERATOR, Action, note
from engine.keys import Keys
from engine.standing import USUAL_TIER
from foretell.cli.failures import CommandError
from foretell.cli.opened import migrated_database, project_named
from foretell.cli.output import moment, show_table
from foretell.configuration import load_settings
from foretell.tiers import all_tiers

app = typer.Typer(
    help="The tenants: rows of one project are invisible to every other.",
    no_args_is_help=True,
    add_completion=False,
)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="At most 100 characters; unique.")],
    tier: Annotated[str, typer.Option("--tier", help="Which limits it has.")] = USUAL_TIER,
) -> None:
    """Make a project."""
    asyncio.run(_create(name, tier))


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


@app.command("tier")
def tier(
    name: Annotated[str, typer.Argument(help="The project.")],
    tier: Annotated[str, typer.Argument(help="free, paid, internal, or one of the settings.")],
) -> None:
    """Say which limits a project has; servers know it within five seconds."""
    asyncio.run(_tier(name, tier))


async def _create(name: str, tier: str) -> None:
    _check_tier(tier)
    async with migrated_database() as database:
        row = await Keys(database).create_project(name, tier)
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


async def _tier(name: str, tier: str) -> None:
    _check_tier(tier)
    async with migrated_database() as database:
        owner = await project_named(database, name)
        async with database.write() as connection:
            await queries.change_tier(connection, owner.id, tier)
            details = {"tier": tier, "before": owner.tier}
            await note(connection, OPERATOR, Action.TIER_SET, name, project_id=owner.id, details=details)
    typer.echo(f"{name} has the limits of the tier {tier}.")


def _check_tier(tier: str) -> None:
    known = all_tiers(load_settings().tiers)
    if tier not in known:
        raise CommandError(f"There is no tier {tier!r}: there are {', '.join(known)}.")


async def _retention(name: str, days: int | None) -> None:
    async with migrated_database() as database:
        owner = await project_named(database, name)
        async with database.write() as connection:
            await retention_queries.keep_for(connection, owner.id, days)
    how_long = "for ever" if days == 0 else f"for {days} days"
    typer.echo(f"{name} keeps inputs and outputs {'as the setting says' if days is None else how_long}.")
