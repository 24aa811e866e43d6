"""The command line: one module per noun. `docs/cli.md` shows each command; a test compares it."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from foretell import __version__
from foretell.cli.failures import told

NOUNS = (
    "serve",
    "worker",
    "migrate",
    "schema",
    "projects",
    "keys",
    "users",
    "budgets",
    "models",
    "usage",
    "predict",
    "batch",
    "jobs",
)
"""The commands, each the `app` of the module of its name."""


PRIVATE = 0o077
"""Databases, uploads and exports hold what people said: other users of the machine do not read them."""


class Commands(TyperGroup):
    """The commands, each imported when it is asked for: to import all of them takes seconds."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names the commands."""
        return list(NOUNS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Returns a command, or None where there is none of that name."""
        if cmd_name not in NOUNS:
            return None
        command = get_command(import_module(f"foretell.cli.{cmd_name}").app)
        command.name = cmd_name
        return command

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that the arguments name."""
        with told():
            return super().invoke(ctx)


app = typer.Typer(
    name="foretell",
    help="A self-hosted GraphQL API for AI models, predictions and jobs.",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A self-hosted GraphQL API for AI models, predictions and jobs."""
    os.umask(PRIVATE)
