"""`foretell jobs`: finds, steers and follows jobs of a running server, and gets their results."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from engine.values import JobStatus
from foretell.cli.failures import CommandError
from foretell.cli.output import moment, note, show_table
from foretell.client import Client, rebased
from foretell.live import follow

READ_SECONDS = 60
BAR_WIDTH = 40

PROGRESS = """
subscription Watch($id: ID!) {
  jobProgress(id: $id) {
    name status statusReason progress itemsPerSecond etaSeconds
    counts { total queued running succeeded failed canceled }
  }
}
"""
LIST = """
query Jobs($first: Int!, $status: [JobStatus!]) {
  jobs(first: $first, filter: {status: $status}) {
    edges { node { id name status progress createdAt model { name } counts { total succeeded failed } } }
  }
}
"""
CHANGE = """
mutation Change($id: ID!) {
  change: %sJob(input: {id: $id}) { job { status } errors { message } }
}
"""
RESULTS = "query Results($id: ID!) { job(id: $id) { resultsUrl } }"

app = typer.Typer(help="Jobs of a running server.", no_args_is_help=True, add_completion=False)

JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id.")]
Url = Annotated[str, typer.Option("--url", envvar="FORETELL_URL", help="The server.")]
Key = Annotated[
    str, typer.Option("--key", envvar="FORETELL_API_KEY", help="The API key.", show_default=False)
]


@app.command("list")
def list_jobs(
    status: Annotated[
        list[JobStatus] | None, typer.Option("--status", case_sensitive=False, help="Only these.")
    ] = None,
    first: Annotated[int, typer.Option(min=1, max=100, help="At most so many.")] = 20,
    url: Url = "http://127.0.0.1:8000",
    key: Key = "",
) -> None:
    """Show jobs, newest first."""
    found = Client(url, key).execute(LIST, {"first": first, "status": status})["jobs"]["edges"]
    show_table(
        ["id", "name", "model", "status", "done", "succeeded", "failed", "items", "created"],
        (_listed(edge["node"]) for edge in found),
    )


@app.command("cancel")
def cancel(job_id: JobId, url: Url = "http://127.0.0.1:8000", key: Key = "") -> None:
    """Cancel a job: no further item is run."""
    _change("cancel", job_id, url, key)


@app.command("pause")
def pause(job_id: JobId, url: Url = "http://127.0.0.1:8000", key: Key = "") -> None:
    """Pause a job; what runs goes on to its end."""
    _change("pause", job_id, url, key)


@app.command("resume")
def resume(job_id: JobId, url: Url = "http://127.0.0.1:8000", key: Key = "") -> None:
    """Let a paused job go on."""
    _change("resume", job_id, url, key)


@app.command("retry")
def retry(job_id: JobId, url: Url = "http://127.0.0.1:8000", key: Key = "") -> None:
    """Run again the items that failed and may succeed another time."""
    _change("retry", job_id, url, key)


@app.command("watch")
def watch(job_id: JobId, url: Url = "http://127.0.0.1:8000", key: Key = "") -> None:
    """Follow a job to its end; exits with 1 unless it SUCCEEDED."""
    watch_job(job_id, url, key)


@app.command("results")
def results(job_id: JobId, url: Url = "http://127.0.0.1:8000", key: Key = "") -> None:
    """Write the results so far to stdout, as JSON Lines in the order of the items."""
    job = Client(url, key).execute(RESULTS, {"id": job_id})["job"]
    if job is None:
        raise CommandError("There is no such job.")
    for block in _blocks(rebased(job["resultsUrl"], url)):
        sys.stdout.buffer.write(block)
    sys.stdout.buffer.flush()


def watch_job(job_id: str, url: str, key: str) -> None:
    """Shows a job's progress on stderr until it has ended.

    Raises:
        CommandError: it did not succeed.
        ClientError: it can not be followed.
    """
    job: dict[str, Any] = {}
    with Live(console=Console(stderr=True), transient=True, auto_refresh=False) as live:
        for data in follow(url, key, PROGRESS, {"id": job_id}):
            job = data["jobProgress"]
            live.update(_shown(job), refresh=True)
    counts = job["counts"]
    failed = f", {counts['failed']} failed" if counts["failed"] else ""
    canceled = f", {counts['canceled']} canceled" if counts["canceled"] else ""
    rate = f", {job['itemsPerSecond']:,.0f} items a second" if job["itemsPerSecond"] else ""
    note(f"{job['status']}: {counts['succeeded']} of {counts['total']} succeeded{failed}{canceled}{rate}")
    if job["status"] != "SUCCEEDED":
        raise CommandError(f"The job is {job['status']}. {job['statusReason'] or ''}".strip())


def _change(what: str, job_id: str, url: str, key: str) -> None:
    payload = Client(url, key).execute(CHANGE % what, {"id": job_id})["change"]
    if payload["errors"]:
        raise CommandError(" ".join(error["message"] for error in payload["errors"]))
    note(f"The job is {payload['job']['status']}.")


def _listed(job: dict[str, Any]) -> list[str]:
    counts = job["counts"]
    return [
        job["id"],
        job["name"] or "-",
        job["model"]["name"] if job["model"] else "-",
        job["status"],
        f"{job['progress']:.0%}",
        *(f"{counts[each]:,}" for each in ("succeeded", "failed", "total")),
        moment(datetime.fromisoformat(job["createdAt"])),
    ]


def _shown(job: dict[str, Any]) -> Table:
    counts = job["counts"]
    done = counts["succeeded"] + counts["failed"] + counts["canceled"]
    row = Table.grid(padding=(0, 2))
    row.add_row(
        job["status"],
        ProgressBar(total=counts["total"], completed=done, width=BAR_WIDTH),
        f"{done:,} / {counts['total']:,}",
        f"{counts['running']:,} running",
        f"{counts['failed']:,} failed",
        "" if job["itemsPerSecond"] is None else f"{job['itemsPerSecond']:,.0f}/s",
        "" if job["etaSeconds"] is None else f"{_duration(job['etaSeconds'])} left",
    )
    return row


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _blocks(address: str) -> Iterator[bytes]:
    try:
        with httpx.stream("GET", address, timeout=READ_SECONDS) as response:
            if response.status_code != 200:
                raise CommandError(f"The server refused the results: {response.status_code}")
            yield from response.iter_bytes()
    except httpx.TransportError as error:
        raise CommandError(f"The download broke off: {error}") from error
