"""Runs the benchmarks and writes RESULTS.md: `python -m benchmarks [name …]`, or `make bench`.

Each is a module beside this one that prints what it found; `benchmarks/RESULTS.md` has the output of the last
run of each, with the machine and the versions. To name some runs those, and keeps what is written of others.
"""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.harness.machine import described

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
HEAD = """# Benchmarks

Written by `make bench`; `make bench ARGS="requests"` runs one of them. The ratios tell more than the figures:
the peers ran on the same machine, in rounds that took turns. What was aimed at, what was reached, and why not
more, is in [docs/performance.md](../docs/performance.md).
"""


def names() -> list[str]:
    """Returns the names of all benchmarks."""
    return sorted(file.stem for file in HERE.glob("[a-z]*.py") if "__main__" in file.read_text())


def main(wanted: list[str]) -> int:
    """Runs those, and returns how many failed."""
    sections, failed = _written(), 0
    for name in wanted:
        print(f"{name} …", file=sys.stderr, flush=True)
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}"], stdout=subprocess.PIPE, text=True, check=False
        )
        print(done.stdout)
        failed += done.returncode != 0
        if done.returncode == 0:
            sections[name] = _section(name, done.stdout)
            RESULTS.write_text("\n".join([HEAD, *(sections[each] for each in sorted(sections))]))
    return failed


def _section(name: str, output: str) -> str:
    about = inspect.getdoc(importlib.import_module(f"benchmarks.{name}")) or ""
    shown = output.strip()
    if "|---" not in shown:  # not a table of Markdown
        shown = f"```\n{shown}\n```"
    return f"## {name}\n\n{about.splitlines()[0]}\n\n{described()}\n\n{shown}\n"


def _written() -> dict[str, str]:
    """Returns the sections of the last run."""
    if not RESULTS.exists():
        return {}
    parts = re.split(r"^## (\S+)$", RESULTS.read_text(), flags=re.MULTILINE)[1:]
    return {
        name: f"## {name}{text.rstrip()}\n"
        for name, text in zip(parts[::2], parts[1::2], strict=True)
        if name in names()
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or names()))
