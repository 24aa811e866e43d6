"""Subscriptions that wait, in one process: the memory that each takes, and the CPU of all.

    python -m benchmarks.idle [--most 10000]

Every subscription has a WebSocket of its own and follows the same text, which has begun and does not go on.
Memory is what the process has more of than with a hundred of them, read from /proc. The server's limits on
connections are raised, as is the number of files that a process may have open.
"""

from __future__ import annotations

import argparse
import asyncio
import os

import uvloop

from benchmarks.harness.limits import allow_files
from benchmarks.harness.peers import PeerError
from benchmarks.harness.processes import cores
from benchmarks.harness.rounds import table
from benchmarks.harness.streams import Server, foretell, graphql_ws
from benchmarks.harness.subscribers import Subscriber, connect

STEPS = (1_000, 5_000, 10_000)
WARM = 100
SPARE_FILES = 500
IDLE_SECONDS = 6.0
"""Longer than the five seconds after which a subscription looks whether it was forgotten."""


def main(most: int) -> None:
    files = allow_files()
    if files < most + SPARE_FILES:
        raise SystemExit(f"{files} files may be open here, and {most + SPARE_FILES} are needed: ulimit -n")
    server_core, load_core = cores()
    rows, missing = [], ""
    with foretell(server_core, load_core) as servers:
        os.sched_setaffinity(0, {load_core})
        rows += uvloop.run(_hold(servers[0], most))
    try:
        with graphql_ws(server_core) as server:
            rows += uvloop.run(_hold(server, most))
    except (PeerError, RuntimeError) as error:
        missing = f"graphql-ws: {error}"
    print(table(["", "memory in all", "a subscription", "CPU in a second, all waiting"], rows))
    if missing:
        print(f"\nNot measured: {missing}")


async def _hold(server: Server, most: int) -> list[list[str]]:
    (text,) = await server.texts(1)
    held: list[Subscriber] = []

    async def more(size: int) -> None:
        made = [server.subscriber(text) for _ in range(size - len(held))]
        held.extend(made)
        await connect(server.port, made)

    await more(WARM)
    before, rows = server.process.memory_bytes, []
    for size in (step for step in STEPS if step <= most):
        await more(size)
        await asyncio.sleep(1)
        used = server.process.precise_cpu_seconds()
        await asyncio.sleep(IDLE_SECONDS)
        used = server.process.precise_cpu_seconds() - used
        if any(each.done.done() for each in held):
            raise RuntimeError(f"{server.name}: not all are held")
        memory = server.process.memory_bytes
        each = (memory - before) / (size - WARM)
        rows.append(
            [
                f"{server.name}, {size:,}",
                f"{memory / 2**20:,.0f} MiB",
                f"{each / 1024:,.1f} KiB",
                f"{used / IDLE_SECONDS * 1e3:,.0f} ms",
            ]
        )
    for one in held:
        one.leave()
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--most", type=int, default=10_000)
    main(parser.parse_args().most)
