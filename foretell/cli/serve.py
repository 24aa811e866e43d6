"""`foretell serve`."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated

import typer

from foretell import logs
from foretell.app import create_app
from foretell.cli.failures import CommandError
from foretell.cli.output import note
from foretell.configuration import load_settings
from foretell.lifespan import first_secret, prepare
from foretell.listening import listening
from foretell.opening import open_database
from foretell.processes import Processes
from foretell.protection import warnings_of
from foretell.server import Server, address_of
from foretell.settings import Settings

app = typer.Typer(add_completion=False)


@app.command("serve")
def serve(
    host: Annotated[
        str | None, typer.Option("--host", help="Address to listen on, before FORETELL_HOST.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65535, help="Port, before FORETELL_PORT; 0 takes a free one."),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=64, help="Processes that serve the port together.")
    ] = 1,
) -> None:
    """Serve the API and GraphiQL until SIGTERM or Ctrl-C.

    The first start makes the tables, registers the embedded models, and prints an admin key, once.
    """
    given = {"host": host, "port": port}
    settings = load_settings().model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )
    if workers > 1:
        _require_shared(settings)
    logs.configure(settings)
    for line in warnings_of(settings):
        note(line)
    with listening(settings.host, settings.port, "--port or FORETELL_PORT") as listener:
        secret = asyncio.run(_first_start(settings))
        if secret is not None:
            note("This is the admin key. It is shown this once:")
            typer.echo(secret)
        address = address_of(settings.host, listener.getsockname()[1])
        announce = partial(_announce, settings, address)
        if workers > 1:
            raise typer.Exit(asyncio.run(Processes(settings, workers, listener, on_start=announce).run()))
        Server(create_app(settings), settings, on_start=announce).run([listener])


def _require_shared(settings: Settings) -> None:
    """Raises CommandError unless several processes can work on the same, and know of one another."""
    missing = []
    if settings.redis_url is None:
        missing.append("Several processes hear of one another over Redis: set FORETELL_REDIS_URL.")
    if settings.database_url.startswith("sqlite"):
        missing.append("Several processes need PostgreSQL, SQLite has one writer: set FORETELL_DATABASE_URL.")
    if missing:
        raise CommandError("\n".join(missing))


async def _first_start(settings: Settings) -> str | None:
    database = open_database(settings)
    try:
        await prepare(settings, database)
        return await first_secret(database)
    finally:
        await database.close()


def _announce(settings: Settings, address: str) -> None:
    note(f"GraphiQL  {address}/graphql" if settings.graphiql else f"GraphQL  {address}/graphql")
