"""`foretell batch`: submits files of items to a running server, as any client would."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import httpx
import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from engine.broken_json import told_broken
from foretell.cli.failures import CommandError
from foretell.cli.jobs import watch_job
from foretell.cli.output import note
from foretell.client import Client, rebased

BLOCK = 1024 * 1024
PUT_SECONDS = 600
CHECK_SECONDS = 600  # a million lines, on a machine that has other things to do

CREATE_UPLOAD = """
mutation CreateUpload($input: CreateUploadInput!) {
  createUpload(input: $input) { upload { id url } errors { message } }
}
"""
SUBMIT = """
mutation SubmitBatch($input: SubmitBatchInput!) {
  submitBatch(input: $input) { job { id counts { total } } errors { message } }
}
"""

app = typer.Typer(help="Files of items, each line one.", no_args_is_help=True, add_completion=False)

Url = Annotated[str, typer.Option("--url", envvar="FORETELL_URL", help="The server.")]
Key = Annotated[
    str, typer.Option("--key", envvar="FORETELL_API_KEY", help="The API key.", show_default=False)
]


@app.callback()
def batch() -> None:
    """Files of items, each line one."""


@app.command("submit")
def submit(
    file: Annotated[Path, typer.Argument(help="JSON Lines, each a BatchItemInput.")],
    model: Annotated[str, typer.Option("--model", help="The model, by name.")],
    version: Annotated[str | None, typer.Option("--version", help="Which version of it.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="What to call the job.")] = None,
    priority: Annotated[int, typer.Option("--priority", min=0, max=9, help="0 is first.")] = 5,
    max_concurrency: Annotated[
        int | None, typer.Option("--max-concurrency", min=1, help="Items in flight at once.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Also find out why.")] = False,
    metadata: Annotated[str | None, typer.Option("--metadata", help="Anything, as JSON.")] = None,
    callback_url: Annotated[
        str | None, typer.Option("--callback-url", help="Is told when the job has ended.")
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option("--idempotency-key", help="The same key makes one job, for 24 hours.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow the job to its end.")] = False,
    url: Url = "http://127.0.0.1:8000",
    key: Key = "",
) -> None:
    """Upload a file of items and submit them as a job; its id is printed."""
    client = Client(url, key)
    optional = {
        "version": None if version is None else {"version": version},
        "name": name,
        "maxConcurrency": max_concurrency,
        "explain": "OCCLUSION" if explain else None,
        "metadata": None if metadata is None else _json(metadata),
        "callbackUrl": callback_url,
        "idempotencyKey": idempotency_key,
    }
    upload_id = _upload(client, url, file)
    source = {"model": {"name": model}, "source": {"uploadId": upload_id}, "priority": priority}
    given = {name: value for name, value in optional.items() if value is not None}
    with Console(stderr=True).status("Every line is checked …"):
        asked = {"input": source | given}
        payload = client.execute(SUBMIT, asked, timeout_seconds=CHECK_SECONDS)["submitBatch"]
    _raise_all(payload["errors"])
    job = payload["job"]
    note(f"{job['counts']['total']} items")
    typer.echo(job["id"])
    if watch:
        watch_job(job["id"], url, key)


def _upload(client: Client, url: str, file: Path) -> str:
    """Puts a file at the server and returns the upload's id."""
    try:
        size, sha256 = file.stat().st_size, _sha256(file)
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from error
    asked = {"filename": file.name, "byteSize": size, "sha256": sha256}
    payload = client.execute(CREATE_UPLOAD, {"input": asked})["createUpload"]
    _raise_all(payload["errors"])
    upload = payload["upload"]
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(file.name, total=size)
        _put(rebased(upload["url"], url), _blocks(file, progress, task), size)
    return upload["id"]  # type: ignore[no-any-return]


def _put(address: str, blocks: Iterator[bytes], size: int) -> None:
    headers = {"content-length": str(size)}
    try:
        response = httpx.put(address, content=blocks, headers=headers, timeout=PUT_SECONDS)
    except httpx.TransportError as error:
        raise CommandError(f"The upload broke off: {error}") from error
    if response.status_code != 201:
        raise CommandError(f"The upload was refused: {response.json()['error']['message']}")


def _blocks(file: Path, progress: Progress, task: Any) -> Iterator[bytes]:
    with file.open("rb") as content:
        while block := content.read(BLOCK):
            yield block
            progress.advance(task, len(block))


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise CommandError(told_broken(error, "--metadata")) from error


def _raise_all(errors: list[dict[str, Any]]) -> None:
    if errors:
        raise CommandError("\n".join(error["message"] for error in errors))
