"""Foretell as its users run it: `foretell serve`, with keys, limits, cost, metrics and logs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness.dataset import Dataset
from benchmarks.harness.places import INSTALLED, ROOT
from benchmarks.harness.processes import Running, running

RUN = INSTALLED / "run"
LIMITS = ("requests_per_minute", "query_cost_per_minute", "tokens_per_minute", "concurrent_predictions")


@contextmanager
def served(
    data: Dataset, port: int, *, core: int | None, more: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Serves some data on a port, from one core, until the context ends."""
    environment = {**settings(data), **(more or {})}
    ready = f"http://127.0.0.1:{port}/ready"
    name = f"foretell-{port}"
    with running(name, command(port), folder=RUN, ready=ready, environment=environment, core=core) as process:
        yield process


def command(port: int) -> list[str]:
    """Returns how the server is started."""
    return [sys.executable, "-m", "foretell", "serve", "--port", str(port)]


def settings(data: Dataset) -> dict[str, str]:
    """Returns its settings; the limits are counted like any others, and too high to be reached."""
    return {
        "PYTHONPATH": str(ROOT),
        "FORETELL_DATABASE_URL": f"sqlite:///{data.file}",
        "FORETELL_MODELS_FILE": data.models_file,
        "FORETELL_LOG_FORMAT": "json",
        "FORETELL_CONFIG": str(_roomy_tier()),
    }


def _roomy_tier() -> Path:
    file = RUN / "foretell.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("[tiers.free]\n" + "\n".join(f"{limit} = 1000000000" for limit in LIMITS) + "\n")
    return file
