"""`foretell users`."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from db.queries import users as queries
from db.tables import UserRow
from engine.identity.passwords import Passwords
from engine.users import Users
from engine.values import Scope
from foretell.cli.failures import CommandError
from foretell.cli.keys import CLIENT_SCOPES, Project
from foretell.cli.opened import migrated_database, project_named, told_bus
from foretell.cli.output import moment, note, show_table
from foretell.configuration import load_settings

app = typer.Typer(help="The people who log in to a project.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(help="The email address.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from stdin instead of asking for it.")
]


@app.command("create")
def create(
    email: Email,
    project: Project = "default",
    scope: Annotated[
        list[Scope] | None,
        typer.Option(
            "--scope",
            help="What the user may do; repeatable. [default: read models, make and read predictions]",
        ),
    ] = None,
    admin: Annotated[bool, typer.Option("--admin", help="The user may do everything.")] = False,
    password_stdin: FromStdin = False,
) -> None:
    """Make a user. The password is asked for."""
    scopes = list(Scope) if admin else scope or CLIENT_SCOPES
    asyncio.run(_create(project, email, scopes, _password(from_stdin=password_stdin)))


@app.command("list")
def list_all(project: Project = "default") -> None:
    """List the users of a project."""
    asyncio.run(_list(project))


@app.command("disable")
def disable(email: Email) -> None:
    """Keep a user out; every session ends."""
    row = asyncio.run(_disable(email, disabled=True))
    typer.echo(f"{row.email} can not log in any more.")


@app.command("enable")
def enable(email: Email) -> None:
    """Let a user in again."""
    row = asyncio.run(_disable(email, disabled=False))
    typer.echo(f"{row.email} can log in again.")


@app.command("password")
def password(email: Email, password_stdin: FromStdin = False) -> None:
    """Give a user another password, which is asked for; every session ends."""
    row = asyncio.run(_set_password(email, _password(from_stdin=password_stdin)))
    typer.echo(f"{row.email} has another password.")


async def _create(project: str, email: str, scopes: list[Scope], password: str) -> None:
    hashed = await _hash(password)
    async with migrated_database() as database, told_bus() as bus:
        owner = await project_named(database, project)
        row = await Users(database, bus).create(owner.id, email, hashed, scopes)
    typer.echo(f"Made the user {row.email} of {project}: {', '.join(row.scopes)}.")
    if load_settings().secret is None:
        note("Nobody can log in before FORETELL_SECRET is set for the server: 32 characters or more.")


async def _list(project: str) -> None:
    async with migrated_database() as database:
        owner = await project_named(database, project)
        async with database.read() as connection:
            rows = await queries.all_of(connection, owner.id)
    show_table(
        ("user", "state", "scopes", "created", "last login"),
        [
            (
                row.email,
                "active" if row.disabled_at is None else "disabled",
                "all" if set(row.scopes) == set(Scope) else " ".join(row.scopes),
                moment(row.created_at),
                moment(row.last_login_at),
            )
            for row in rows
        ],
    )


async def _disable(email: str, *, disabled: bool) -> UserRow:
    async with migrated_database() as database, told_bus() as bus:
        return await Users(database, bus).disable(email, disabled=disabled)


async def _set_password(email: str, password: str) -> UserRow:
    hashed = await _hash(password)
    async with migrated_database() as database, told_bus() as bus:
        return await Users(database, bus).set_password(email, hashed)


async def _hash(password: str) -> str:
    passwords = Passwords()
    try:
        return await passwords.hash(password)
    finally:
        passwords.close()


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise CommandError("There is no terminal to ask for the password: use --password-stdin.")
    asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return asked
