"""Texts to many subscribers: what a token costs, against graphql-ws on Node.js and a bare WebSocket.

    python -m benchmarks.streaming [--rounds 3] [--most 1000]

1, 100 and 1,000 subscribers, each with a text of its own or all on one, of 64 tokens, one every 20 ms.
Foretell reads its texts over HTTP from a server that speaks OpenAI's API, with keys, limits, ledger and
stored predictions on; graphql-ws and the floor, a bare WebSocket by uvicorn, make theirs with a timer. A
second graphql-ws reads the same server as Foretell, and passes on what comes. All subscribers are there, with
their first token, before the second comes; each has to get the whole text. CPU is the server's from then on,
by /proc, until the last has the end.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import uvloop

from benchmarks.harness.limits import allow_files
from benchmarks.harness.peers import PeerError
from benchmarks.harness.processes import cores
from benchmarks.harness.rounds import Spread, ratios, table
from benchmarks.harness.streams import WS, Server, ask_to_go, floor, foretell, graphql_ws, relay
from benchmarks.harness.subscribers import connect, finished
from benchmarks.harness.upstream import TOKENS, WORDS

SUBSCRIBERS = (1, 100, 1000)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one round of one way came to."""

    cpu: float
    """Seconds for a token that a subscriber got."""
    rate: float
    """Tokens in a second, all subscribers together."""
    messages: float
    """Messages for a token; fewer than one where tokens travel together."""


def main(rounds: int, most: int) -> None:
    allow_files()
    server_core, load_core = cores()
    missing: list[str] = []
    found: dict[tuple[str, int, bool], list[Measured]] = defaultdict(list)
    sizes = [size for size in SUBSCRIBERS if size <= most]
    with ExitStack() as stack:
        servers = stack.enter_context(foretell(server_core, load_core))
        for peer in (graphql_ws, relay, floor):
            try:
                servers.append(stack.enter_context(peer(server_core)))
            except (PeerError, RuntimeError) as error:
                missing.append(str(error))
        os.sched_setaffinity(0, {load_core})
        for _ in range(rounds):
            for size in sizes:
                for shared in (False, True)[: 1 if size == 1 else 2]:
                    for server in servers:
                        measured = uvloop.run(_measure(server, size, shared=shared))
                        found[server.name, size, shared].append(measured)
    _report([server.name for server in servers], found, missing, rounds)


async def _measure(server: Server, size: int, *, shared: bool) -> Measured:
    ids = await server.texts(1 if shared else size)
    subscribers = [server.subscriber(each) for each in (ids * size if shared else ids)]
    await connect(server.port, subscribers)
    before, messages = server.process.precise_cpu_seconds(), sum(each.messages for each in subscribers)
    started = time.perf_counter()
    await asyncio.to_thread(ask_to_go, server.go)
    await finished(subscribers)
    seconds = time.perf_counter() - started
    used = server.process.precise_cpu_seconds() - before
    whole = "".join(WORDS)
    if unlucky := [each.text for each in subscribers if each.text != whole]:
        raise RuntimeError(f"{server.name}: {len(unlucky)} got something else, as {unlucky[0]!r}")
    tokens = size * (TOKENS - 1)
    sent = sum(each.messages for each in subscribers) - messages
    return Measured(used / tokens, tokens / seconds, sent / tokens)


def _report(
    names: Sequence[str],
    found: dict[tuple[str, int, bool], list[Measured]],
    missing: list[str],
    rounds: int,
) -> None:
    for size, shared in sorted({key[1:] for key in found}):
        rows = []
        ours = [each.cpu for each in found[WS, size, shared]]
        for name in names:
            measured = found[name, size, shared]
            cpu = Spread.of([each.cpu for each in measured])
            times = ratios(ours, [each.cpu for each in measured])
            shown = "" if name == WS else f"{times.median:.2f} ({times.least:.2f} … {times.most:.2f})"
            rows.append(
                [
                    name,
                    f"{cpu.median * 1e6:,.1f} µs",
                    f"{1 / cpu.median:,.0f}",
                    f"{Spread.of([each.rate for each in measured]).median:,.0f}",
                    f"{Spread.of([each.messages for each in measured]).median:.2f}",
                    shown,
                ]
            )
        what = "on one text" if shared else "with a text of its own each"
        print(f"**{size:,} {'subscribers ' + what if size > 1 else 'subscriber'}**\n")
        head = [
            "",
            "CPU a token",
            "tokens a CPU second",
            "tokens/s",
            "messages a token",
            "times our CPU",
        ]
        print(table(head, rows), "\n")
    print(f"{rounds} rounds; medians, and the least and the most of the rounds.")
    for reason in missing:
        print(f"\nNot measured: {reason}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=int, default=1000)
    arguments = parser.parse_args()
    main(arguments.rounds, arguments.most)
