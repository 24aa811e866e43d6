"""Running commands, and servers as a newcomer runs them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from typer.testing import CliRunner, Result

from foretell.cli import app

ROOT = Path(__file__).parents[2]


def foretell(*arguments: str, stdin: str | None = None, **environ: str) -> Result:
    """Runs a command in this process, with this on stdin and these variables set."""
    return CliRunner().invoke(app, arguments, stdin, env={"TERM": "dumb", "NO_COLOR": "1", **environ})


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, list[str], subprocess.Popen[str]]]:
    """Runs `foretell serve` in a folder; yields its address, its lines on stdout so far, and its process."""
    command = [sys.executable, "-m", "foretell", "serve", "--port", "0"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "FORETELL_INFERENCE_THREADS": "1"}
    with (folder / "stdout").open("w") as stdout:
        process = subprocess.Popen(
            command, cwd=folder, env=environ, text=True, stdout=stdout, stderr=subprocess.PIPE
        )
    try:
        address = _announced(process)
        yield address, (folder / "stdout").read_text().splitlines(), process
    finally:
        process.kill()
        process.communicate()


def _announced(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    said: list[str] = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found[0]
    raise AssertionError("".join(said))
