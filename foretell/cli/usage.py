"""`foretell usage`."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from db.queries import keys as key_queries
from db.queries import models as model_queries
from db.session import Database
from db.types import now
from engine.money import from_nanos
from engine.usage import reprice as repricing
from engine.usage.export import ledger_pages
from engine.usage.verify import Difference, differences
from foretell.cli.failures import CommandError
from foretell.cli.opened import migrated_database, project_named
from foretell.cli.output import note, show_table
from foretell.cli.usage_files import ExportFormat, opened, writing

app = typer.Typer(help="What was used, and what it cost.", no_args_is_help=True, add_completion=False)

TIMES = ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")


def _time(text: str) -> datetime:
    for form in TIMES:
        with suppress(ValueError):
            return datetime.strptime(text, form).replace(tzinfo=UTC)
    raise typer.BadParameter(f"{text!r} is no date or time like 2026-11-20 or 2026-11-20T16:30:00.")


Project = Annotated[str, typer.Option("--project", help="The project, by name.")]
From = Annotated[
    datetime, typer.Option("--from", parser=_time, metavar="TIME", help="Not before this, in UTC.")
]
To = Annotated[
    datetime | None,
    typer.Option("--to", parser=_time, metavar="TIME", help="Before this, in UTC. [default: now]"),
]


@app.command("verify")
def verify() -> None:
    """Compare predictions, ledger and rollups; fail if one sum is not the same in all of them."""
    asyncio.run(_verify())


@app.command("reprice")
def reprice(
    since: From,
    until: To = None,
    project: Project = "default",
    version: Annotated[str | None, typer.Option("--version", help="Only this: `model/version`.")] = None,
) -> None:
    """Charge what ended in a range again, by the prices as they are dated now."""
    asyncio.run(_reprice(project, since, until or now(), version))


@app.command("export")
def export(
    since: From,
    until: To = None,
    project: Project = "default",
    format: Annotated[ExportFormat, typer.Option("--format", help="What to write.")] = ExportFormat.CSV,
    output: Annotated[
        Path | None, typer.Option("--output", dir_okay=False, help="A file; stdout, if left out.")
    ] = None,
) -> None:
    """Write the ledger: a row for each prediction that ended, by time."""
    asyncio.run(_export(project, since, until or now(), format, output))


async def _verify() -> None:
    async with migrated_database() as database:
        found = await differences(database)
        names = await _project_names(database)
    if not found:
        typer.echo("Predictions, ledger and rollups have the same sums.")
        return
    show_table(
        ("project", "currency", "what", "predictions", "ledger", "hours", "days"),
        [_cells(difference, names) for difference in found],
    )
    raise CommandError(f"{len(found)} sums differ.")


def _cells(found: Difference, names: dict[str, str]) -> tuple[str, ...]:
    numbers = (str(number) for number in (found.predictions, found.ledger, found.hours, found.days))
    return names.get(found.project_id, found.project_id), found.currency or "-", found.what, *numbers


async def _reprice(project: str, since: datetime, until: datetime, version: str | None) -> None:
    async with migrated_database() as database:
        owner = await project_named(database, project)
        version_id = None if version is None else await _version_named(database, owner.id, version)
        actor = f"cli:{getpass.getuser()}"
        repriced = await repricing.reprice(
            database, owner.id, since, until, actor=actor, version_id=version_id
        )
    if not repriced.predictions:
        typer.echo("Nothing to change.")
        return
    typer.echo(
        f"Repriced {repriced.predictions} predictions: "
        f"{_amounts(repriced.before)} before, {_amounts(repriced.after)} now."
    )


async def _export(
    project: str, since: datetime, until: datetime, format: ExportFormat, output: Path | None
) -> None:
    count = 0
    async with migrated_database() as database:
        owner = await project_named(database, project)
        with opened(output, sys.stdout.buffer) as file, writing(format, file) as write:
            async for rows in ledger_pages(database, owner.id, since, until):
                write(rows)
                count += len(rows)
    note(f"{count} rows.")


async def _version_named(database: Database, project_id: str, name: str) -> str:
    model_name, _, version = name.partition("/")
    async with database.read() as connection:
        model = await model_queries.model_by_name(connection, project_id, model_name)
        rows = await model_queries.versions_by_name(connection, [(model.id, version)]) if model else []
    if not rows:
        raise CommandError(f"There is no version {name!r}: `foretell models list` shows those there are.")
    return rows[0].id


async def _project_names(database: Database) -> dict[str, str]:
    async with database.read() as connection:
        return {row.id: row.name for row in await key_queries.all_projects(connection)}


def _amounts(nanos: Counter[str]) -> str:
    amounts = [f"{from_nanos(amount):f} {currency}" for currency, amount in sorted(nanos.items())]
    return " + ".join(amounts) or "no price"
