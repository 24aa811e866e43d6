"""Servers as processes on one core, and what they cost: CPU time and memory, read from /proc."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 90.0


def cores() -> tuple[int, int]:
    """Returns the core for the server and the one for the load; the same where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


@dataclass(slots=True)
class Running:
    """A process that was started, with all its children."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def cpu_seconds(self) -> float:
        """User and system time so far."""
        return sum(_ticks(pid) for pid in _tree(self.process.pid)) / TICKS

    @property
    def memory_bytes(self) -> int:
        """Resident memory."""
        return sum(_resident(pid) for pid in _tree(self.process.pid))

    def precise_cpu_seconds(self) -> float:
        """CPU time in nanoseconds' steps where the kernel tells it, else in ticks of 10 ms."""
        nanos = [_schedstat(pid) for pid in _tree(self.process.pid)]
        known = [each for each in nanos if each is not None]
        return sum(known) / 1e9 if len(known) == len(nanos) and nanos else self.cpu_seconds


@contextmanager
def running(
    name: str,
    command: Sequence[str],
    *,
    folder: Path,
    ready: str,
    environment: Mapping[str, str] | None = None,
    core: int | None = None,
) -> Iterator[Running]:
    """Runs a server on one core until the context ends; `ready` is a URL that answers when it serves.

    Raises:
        RuntimeError: it ended, or does not answer within 90 s; the end of its log is in the message.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{re.sub('[^a-z0-9]+', '-', name.lower())}.log"
    pinned = ["taskset", "-c", str(core), *command] if core is not None else list(command)
    with log.open("wb") as output:
        process = subprocess.Popen(
            pinned,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**_environment(), **(environment or {})},
            start_new_session=True,
        )
    try:
        _wait(name, process, ready, log)
        yield Running(name, process, log)
    finally:
        _stop(process)


def _environment() -> dict[str, str]:
    """Returns our environment without the settings of whoever runs the benchmark."""
    return {name: value for name, value in os.environ.items() if not name.startswith("FORETELL_")}


def _wait(name: str, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=5)
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    end = log.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"{name} did not start:\n{end}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and its children, which are a group of their own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            break
        os.killpg(process.pid, number)
        try:
            process.wait(timeout=25)
        except subprocess.TimeoutExpired:
            continue


def _tree(root: int) -> list[int]:
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                todo += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
        except OSError:
            continue
    return found


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def _schedstat(pid: int) -> int | None:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
        return sum(int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0]) for task in tasks)
    except (OSError, ValueError, IndexError):
        return None


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
