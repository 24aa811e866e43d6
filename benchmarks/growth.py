"""A page of predictions and a month of usage, with 10⁴ to 10⁶ predictions stored: flat, or not.

    python -m benchmarks.growth [--rounds 5] [--most 1000000]

The same server program over one SQLite file for each size, on one core, in rounds that take turns. 30 days of
usage by day and model come from rollups, pages from an index.
"""

from __future__ import annotations

import argparse
import os
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

from benchmarks.harness.dataset import dataset
from benchmarks.harness.load import drive, request
from benchmarks.harness.ours import served
from benchmarks.harness.processes import cores
from benchmarks.harness.questions import Q1, graphql
from benchmarks.harness.rounds import Spread, table

USAGE = """query Usage($range: DateTimeRangeInput!) {
  usage(range: $range, interval: DAY, groupBy: [MODEL], first: 100) {
    nodes { start model { name } totals { predictions failed cost { amount currency } } }
  }
}"""
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
FIRST_PORT = 8650


def main(rounds: int, most: int, seconds: float) -> None:
    sizes = [size for size in SIZES if size <= most]
    data = {size: dataset(size, with_usage=True) for size in sizes}
    server_core, load_core = cores()
    end = datetime.now(UTC).replace(microsecond=0)
    month = {"gte": _shown(end - timedelta(days=29)), "lt": _shown(end)}
    bodies = {"Q1": graphql(Q1, {"first": 50}), "usage": graphql(USAGE, {"range": month})}
    found: dict[tuple[int, str], list[float]] = {(size, name): [] for size in sizes for name in bodies}
    with ExitStack() as stack:
        processes = {
            size: stack.enter_context(served(data[size], FIRST_PORT + place, core=server_core))
            for place, size in enumerate(sizes)
        }
        os.sched_setaffinity(0, {load_core})
        for _ in range(rounds):
            for size in sizes:
                for name, body in bodies.items():
                    sent = request("/graphql", body, {"Authorization": f"Bearer {data[size].secret}"})
                    before = processes[size].precise_cpu_seconds()
                    port = FIRST_PORT + sizes.index(size)
                    load = drive(port, lambda _, sent=sent: sent, seconds=seconds, connections=4)
                    if load.failures or b'"errors"' in load.sample:
                        raise RuntimeError(load.sample[:500].decode(errors="replace"))
                    used = processes[size].precise_cpu_seconds() - before
                    found[size, name].append(used / load.answers)
    rows = []
    for name in bodies:
        base = Spread.of(found[sizes[0], name]).median
        for size in sizes:
            cpu = Spread.of(found[size, name])
            spread = f"{cpu.least * 1e6:,.0f} … {cpu.most * 1e6:,.0f}"
            rows.append(
                [
                    f"{name}, {size:,} stored",
                    f"{cpu.median * 1e6:,.0f} µs ({spread})",
                    f"{cpu.median / base:.2f}",
                ]
            )
    print(table(["", "CPU an answer", f"times that of {sizes[0]:,}"], rows))
    print(f"\n{rounds} rounds; medians, and the least and the most of the rounds.")


def _shown(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=1.0)
    arguments = parser.parse_args()
    main(arguments.rounds, arguments.most, arguments.seconds)
