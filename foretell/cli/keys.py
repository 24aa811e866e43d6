"""`foretell keys`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import typer

from db.pages import Window
from db.queries import keys as queries
from db.queries import models as model_queries
from db.session import Database
from db.tables import ApiKeyRow, ProjectRow
from db.types import now
from engine.keys import Keys
from engine.values import Scope
from foretell.cli.failures import CommandError
from foretell.cli.opened import migrated_database, project_named, told_bus
from foretell.cli.output import moment, note, show_table

PAGE = 100
CLIENT_SCOPES = [Scope.MODELS_READ, Scope.PREDICTIONS_READ, Scope.PREDICTIONS_WRITE]

app = typer.Typer(help="The API keys that act for a project.", no_args_is_help=True, add_completion=False)

Project = Annotated[str, typer.Option("--project", help="The project, by name.")]


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What it is for; at most 100 characters.")],
    project: Project = "default",
    scope: Annotated[
        list[Scope] | None,
        typer.Option(
            "--scope", help="What it may do; repeatable. [default: read models, make and read predictions]"
        ),
    ] = None,
    admin: Annotated[bool, typer.Option("--admin", help="It may do everything.")] = False,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="A model that exists for it, by name; repeatable. All, if left out."),
    ] = None,
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="Days until it expires; never, if left out.")
    ] = None,
) -> None:
    """Make a key. Its secret is printed once, alone on stdout."""
    scopes = list(Scope) if admin else scope or CLIENT_SCOPES
    asyncio.run(_create(project, name, scopes, model, days))


@app.command("list")
def list_all(project: Project = "default") -> None:
    """List the keys of a project, newest first."""
    asyncio.run(_list(project))


@app.command("rotate")
def rotate(
    prefix: Annotated[str, typer.Argument(help="The start of the key, as `list` shows it.")],
    project: Project = "default",
    overlap_hours: Annotated[
        int,
        typer.Option("--overlap-hours", min=0, max=720, help="How long the secret it has works on."),
    ] = 24,
) -> None:
    """Give a key a new secret, printed once, alone on stdout; the one it has works on for a while."""
    asyncio.run(_rotate(project, prefix, timedelta(hours=overlap_hours)))


@app.command("revoke")
def revoke(
    prefix: Annotated[str, typer.Argument(help="The start of the key, as `list` shows it.")],
    project: Project = "default",
) -> None:
    """Revoke a key, for good."""
    asyncio.run(_revoke(project, prefix))


async def _create(
    project: str, name: str, scopes: Sequence[Scope], models: Sequence[str] | None, days: int | None
) -> None:
    async with migrated_database() as database:
        owner = await project_named(database, project)
        expires_at = None if days is None else now() + timedelta(days=days)
        only = [await _model_id(database, owner, model) for model in models] if models else None
        row, secret = await Keys(database).create(owner.id, name, scopes, expires_at, models=only)
    note(f"Made the key {row.name} for {project}: {', '.join(row.scopes)}. It is shown this once:")
    typer.echo(secret)


async def _model_id(database: Database, owner: ProjectRow, name: str) -> str:
    async with database.read() as connection:
        found = await model_queries.model_by_name(connection, owner.id, name)
    if found is None:
        raise CommandError(f"The project {owner.name} sees no model {name!r}: `foretell models list`.")
    return found.id


async def _list(project: str) -> None:
    async with migrated_database() as database:
        rows = await _all_keys(database, (await project_named(database, project)).id)
    show_table(
        ("key", "name", "state", "scopes", "created", "expires"),
        [
            (
                f"{row.prefix}…",
                row.name,
                _state(row),
                _scopes(row),
                moment(row.created_at),
                moment(row.expires_at),
            )
            for row in rows
        ],
    )


async def _rotate(project: str, prefix: str, overlap: timedelta) -> None:
    async with migrated_database() as database, told_bus() as bus:
        row = await _key(database, project, prefix)
        rotated = await Keys(database, bus).rotate(row.project_id, row.id, overlap)
    until = moment(rotated.previous_expires_at)
    note(f"Rotated the key {row.name}: {row.prefix}… works until {until}. The new one is shown this once:")
    typer.echo(rotated.secret)


async def _revoke(project: str, prefix: str) -> None:
    async with migrated_database() as database, told_bus() as bus:
        key = await _key(database, project, prefix)
        row = await Keys(database, bus).revoke(key.project_id, key.id)
    typer.echo(f"Revoked the key {row.name} ({row.prefix}…) at {moment(row.revoked_at)}.")


async def _key(database: Database, project: str, prefix: str) -> ApiKeyRow:
    owner = await project_named(database, project)
    found = [row for row in await _all_keys(database, owner.id) if row.prefix == prefix.rstrip("…")]
    if not found:
        raise CommandError(f"The project {project} has no key {prefix}: `foretell keys list` shows its keys.")
    return found[0]


async def _all_keys(database: Database, project_id: str) -> list[ApiKeyRow]:
    rows: list[ApiKeyRow] = []
    async with database.read() as connection:
        while True:
            place = (rows[-1].id,) if rows else None
            page = await queries.keys_page(connection, project_id, Window(PAGE, place))
            rows.extend(page.rows)
            if not page.has_next:
                return rows


def _scopes(row: ApiKeyRow) -> str:
    return "all" if set(row.scopes) == set(Scope) else " ".join(row.scopes)


def _state(row: ApiKeyRow) -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now() else "active"
