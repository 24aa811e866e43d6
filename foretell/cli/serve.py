"""`foretell serve`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from foretell import logs
from foretell.app import create_app
from foretell.cli.output import note
from foretell.configuration import load_settings
from foretell.lifespan import first_secret, open_database, prepare
from foretell.server import Server
from foretell.settings import Settings


def serve(
    host: Annotated[
        str | None, typer.Option("--host", help="Address to listen on, before FORETELL_HOST.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65535, help="Port, before FORETELL_PORT; 0 takes a free one."),
    ] = None,
) -> None:
    """Serve the API and GraphiQL until SIGTERM or Ctrl-C.

    The first start makes the tables, registers the embedded models, and prints an admin key, once.
    """
    given = {"host": host, "port": port}
    settings = load_settings().model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )
    logs.configure(settings)
    secret = asyncio.run(_first_start(settings))
    if secret is not None:
        note("This is the admin key. It is shown this once:")
        typer.echo(secret)
    server = Server(create_app(settings), settings, on_start=lambda address: _announce(settings, address))
    server.run()


async def _first_start(settings: Settings) -> str | None:
    database = open_database(settings)
    try:
        await prepare(settings, database)
        return await first_secret(database)
    finally:
        await database.close()


def _announce(settings: Settings, address: str) -> None:
    note(f"GraphiQL  {address}/graphql" if settings.graphiql else f"GraphQL  {address}/graphql")
