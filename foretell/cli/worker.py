"""`foretell worker`: a process that runs jobs and serves nobody."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import typer
from starlette.datastructures import State
from uvicorn.loops.auto import auto_loop_factory

from foretell import garbage, logs
from foretell.cli.failures import CommandError
from foretell.cli.output import note
from foretell.configuration import load_settings
from foretell.lifespan import running
from foretell.metrics import Metrics
from foretell.operators import operators_port
from foretell.settings import Settings

app = typer.Typer(add_completion=False)


@app.command("worker")
def worker(
    concurrency: Annotated[
        int | None,
        typer.Option(
            "--concurrency", min=1, max=1024, help="Chunks to run at once, before FORETELL_WORKER_SLOTS."
        ),
    ] = None,
) -> None:
    """Run jobs until SIGTERM or Ctrl-C, beside servers that share the database and Redis."""
    settings = load_settings()
    if concurrency is not None:
        settings = settings.model_copy(update={"worker_slots": concurrency})
    logs.configure(settings)
    if settings.redis_url is None:
        raise CommandError("Workers and servers find each other over Redis: set FORETELL_REDIS_URL.")
    if not settings.worker_slots:
        raise CommandError("FORETELL_WORKER_SLOTS is 0: this worker would run nothing.")
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:  # the loop that a server has
        runner.run(_work(settings))


async def _work(settings: Settings) -> None:
    told_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_end.set)
    metrics = Metrics()
    async with running(settings, metrics) as services, metrics.watching(services):
        given = {"settings": settings, "services": services, "metrics": metrics, "shutdown": told_to_end}
        async with operators_port(settings, State(given)):
            garbage.settle()
            note(f"Running jobs, {settings.worker_slots} chunks at once.")
            await told_to_end.wait()
