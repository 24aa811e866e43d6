"""Runs the benchmarks and writes RESULTS.md: `python -m benchmarks [name …] [--option …]`, or `make bench`.

Each is a module beside this one that prints what it found; `benchmarks/RESULTS.md` has the output of the last
run of each, with the machine and the versions, and nothing that somebody wrote: what there is to say of a
figure stands in `docs/performance.md`. To name some runs those, and keeps what is written of others. Options
one name are its own, and written down with what it found; without names, what was found with such stays.
"""

from __future__ import annotations

import importlib
import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path

from benchmarks.harness.machine import described

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
OWN = re.compile(r"`python -m benchmarks[. ]\w+ (-[^`]+)`")
"""How a section says that its benchmark was run with arguments."""
HEAD = """# Benchmarks

Written by `make bench`; `make bench ARGS="requests"` runs one of them. The ratios tell more than the figures:
the peers ran on the same machine, in rounds that took turns. What was aimed at, what was reached, and why not
more, is in [docs/performance.md](../docs/performance.md).
"""


def names() -> list[str]:
    """Returns the names of all benchmarks."""
    return sorted(file.stem for file in HERE.glob("[a-z]*.py") if "__main__" in file.read_text())


def main(wanted: list[str], arguments: list[str]) -> int:
    """Runs those, and returns how many failed."""
    sections, failed = _written(), 0
    for name in wanted or _not_kept(sections):
        print(f"{name} …", file=sys.stderr, flush=True)
        command = ["-m", f"benchmarks.{name}", *arguments]
        done = subprocess.run([sys.executable, *command], stdout=subprocess.PIPE, text=True, check=False)
        print(done.stdout)
        failed += done.returncode != 0
        if done.returncode == 0:
            sections[name] = _section(name, done.stdout, arguments)
            RESULTS.write_text("\n".join([HEAD, *(sections[each] for each in sorted(sections))]))
    return failed


def _not_kept(sections: dict[str, str]) -> list[str]:
    """Returns the names of those that no run with arguments of its own was written of: it took its time."""
    for name in names():
        if found := OWN.search(sections.get(name, "")):
            print(f"{name}: what was found with {found[1]} stays; name it to run it", file=sys.stderr)
    return [name for name in names() if not OWN.search(sections.get(name, ""))]


def _section(name: str, output: str, arguments: list[str]) -> str:
    about = inspect.getdoc(importlib.import_module(f"benchmarks.{name}")) or ""
    shown = output.strip()
    if "|---" not in shown:  # not a table of Markdown
        shown = f"```\n{shown}\n```"
    command = f"`python -m benchmarks {shlex.join([name, *arguments])}`; " if arguments else ""
    return f"## {name}\n\n{about.splitlines()[0]}\n\n{command}{described()}\n\n{shown}\n"


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


def _parted(given: list[str]) -> tuple[list[str], list[str]]:
    """Returns the names, and the arguments that follow them.

    Raises:
        SystemExit: arguments follow none or several, or there is no such benchmark.
    """
    first = next((place for place, word in enumerate(given) if word.startswith("-")), len(given))
    wanted, arguments = given[:first], given[first:]
    if arguments and len(wanted) != 1:
        raise SystemExit("Arguments follow the name of one benchmark.")
    if unknown := set(wanted) - set(names()):
        raise SystemExit(
            f"There is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names())}."
        )
    return wanted, arguments


if __name__ == "__main__":
    sys.exit(main(*_parted(sys.argv[1:])))
