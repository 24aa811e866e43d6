"""The command line: one module per noun. `docs/cli.md` shows each command; a test compares it."""

from __future__ import annotations

from typing import Annotated

import typer

from foretell import __version__
from foretell.cli import batch, jobs, keys, migrate, models, predict, projects, schema, serve, usage, worker
from foretell.cli.failures import Commands

app = typer.Typer(
    name="foretell",
    help="A self-hosted GraphQL API for AI models, predictions and jobs.",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("worker")(worker.worker)
app.command("migrate")(migrate.migrate)
app.command("schema")(schema.show)
app.add_typer(projects.app, name="projects")
app.add_typer(keys.app, name="keys")
app.add_typer(models.app, name="models")
app.add_typer(usage.app, name="usage")
app.command("predict")(predict.predict)
app.add_typer(batch.app, name="batch")
app.add_typer(jobs.app, name="jobs")


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
