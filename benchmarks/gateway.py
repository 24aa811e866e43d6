"""In front of a model server that speaks OpenAI's API: what a call costs, and how long it takes more.

    python -m benchmarks.gateway [--rounds 5] [--seconds 2]

Foretell with keys, limits, metrics, logs, stored predictions and ledger on, and the LiteLLM proxy with a
master key (its virtual keys need a database of their own), each on one core in front of the same fast
upstream on the other. Streamed, Foretell is asked twice: `predict` that does not wait, and `tokens` over
Server-Sent Events.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness.dataset import dataset
from benchmarks.harness.load import Load, drive, request
from benchmarks.harness.ours import RUN, served
from benchmarks.harness.peers import PeerError, python_peers
from benchmarks.harness.places import ROOT
from benchmarks.harness.processes import Running, cores, running
from benchmarks.harness.questions import graphql
from benchmarks.harness.rounds import Spread, percentile, table
from benchmarks.harness.upstream import TOKENS

UPSTREAM, OURS, LITELLM = 8620, 8621, 8622
PREDICT = """mutation Ask($input: PredictInput!) {
  predict(input: $input) { prediction { id status output { ... on TextOutput { text } } } errors { message } }
}"""
FOLLOW = """subscription Follow($id: ID!) {
  tokens(predictionId: $id) { sequence ... on TokenEvent { text } }
}"""
KEY = "sk-benchmark"
CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Gateway:
    """One that stands in front, or nothing."""

    name: str
    port: int
    process: Running
    whole: Callable[[int], bytes]
    streamed: Callable[[int], bytes]
    follow: Callable[[bytes], bytes | None] | None = None


def main(rounds: int, seconds: float) -> None:
    front_core, other_core = cores()
    missing: list[str] = []
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    latencies: dict[tuple[str, str], list[float]] = defaultdict(list)
    with ExitStack() as stack:
        upstream = stack.enter_context(_upstream(other_core))
        chat = {"Authorization": f"Bearer {KEY}"}
        direct = Gateway("directly", UPSTREAM, upstream, *_chats("/v1/chat/completions", chat))
        gateways = [direct, stack.enter_context(_foretell(front_core))]
        try:
            gateways.append(stack.enter_context(_litellm(front_core)))
        except (PeerError, RuntimeError) as error:
            missing.append(f"LiteLLM: {error}")
        os.sched_setaffinity(0, {other_core})
        number = 0
        for _ in range(rounds):
            for gateway in gateways:
                for kind, make in (("whole", gateway.whole), ("streamed", gateway.streamed)):
                    follow = gateway.follow if kind == "streamed" else None
                    for connections in (1, CONNECTIONS):
                        before = gateway.process.precise_cpu_seconds()
                        load = drive(
                            gateway.port,
                            make,
                            seconds=seconds,
                            connections=connections,
                            first=number,
                            follow=follow,
                        )
                        used = gateway.process.precise_cpu_seconds() - before
                        number += load.answers + connections
                        _require_answers(gateway, kind, load)
                        if connections == 1:
                            latencies[gateway.name, kind] += load.latencies
                        else:
                            found[gateway.name, kind].append(used / load.answers)
    _report(gateways, found, latencies, missing, rounds)


def _require_answers(gateway: Gateway, kind: str, load: Load) -> None:
    wanted = b"word63"
    if load.failures or wanted not in load.sample:
        raise RuntimeError(f"{gateway.name}, {kind}: {load.failures} failed: {load.sample[-400:]!r}")


@contextmanager
def _upstream(core: int) -> Iterator[Running]:
    command = [sys.executable, "-m", "benchmarks.harness.upstream", str(UPSTREAM)]
    ready = f"http://127.0.0.1:{UPSTREAM}/v1/models"
    environment = {"PYTHONPATH": str(ROOT)}
    with running("upstream", command, folder=RUN, ready=ready, environment=environment, core=core) as process:
        yield process


def _chats(path: str, headers: dict[str, str]) -> tuple[Callable[[int], bytes], Callable[[int], bytes]]:
    def make(number: int, *, stream: bool) -> bytes:
        body: dict[str, Any] = {"model": "fast", "messages": [{"role": "user", "content": f"Say {number}"}]}
        return request(path, json.dumps(body | {"stream": stream}).encode(), headers)

    return lambda number: make(number, stream=False), lambda number: make(number, stream=True)


@contextmanager
def _foretell(core: int) -> Iterator[Gateway]:
    data = dataset(10)
    models = Path(data.models_file).read_text()
    file = RUN / "gateway.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        models + '\n[[models]]\nname = "fast"\ndisplay_name = "Fast"\ntask = "TEXT_GENERATION"\n'
        '[[models.versions]]\nversion = "1"\n'
        f'backend = {{ kind = "OPENAI", base_url = "http://127.0.0.1:{UPSTREAM}/v1", model = "fast" }}\n'
        'price = { input_per_million_tokens = "0.15", output_per_million_tokens = "0.60" }\n'
    )
    headers = {"Authorization": f"Bearer {data.secret}"}

    def ask(number: int, wait_ms: int) -> bytes:
        text = {"prompt": {"text": f"Say {number}"}}
        given = {"model": {"name": "fast"}, "data": {"text": text}, "waitMs": wait_ms, "cache": "BYPASS"}
        return request("/graphql", graphql(PREDICT, {"input": given}), headers)

    def follow(body: bytes) -> bytes | None:
        if not body.startswith(b'{"data":{"predict"'):
            return None
        row_id = json.loads(body)["data"]["predict"]["prediction"]["id"]
        accept = headers | {"Accept": "text/event-stream"}
        return request("/graphql", graphql(FOLLOW, {"id": row_id}), accept)

    with served(data, OURS, core=core, more={"FORETELL_MODELS_FILE": str(file)}) as process:
        yield Gateway(
            "Foretell",
            OURS,
            process,
            lambda number: ask(number, 10_000),
            lambda number: ask(number, 0),
            follow,
        )


@contextmanager
def _litellm(core: int) -> Iterator[Gateway]:
    python = python_peers("litellm", ROOT / "tests" / "servers" / "litellm.txt")
    folder = RUN / "litellm"
    folder.mkdir(parents=True, exist_ok=True)
    passed_on = {"model": "openai/fast", "api_base": f"http://127.0.0.1:{UPSTREAM}/v1", "api_key": "none"}
    config = {
        "model_list": [{"model_name": "fast", "litellm_params": passed_on}],
        "general_settings": {"master_key": KEY},
        "router_settings": {"num_retries": 0},
        "litellm_settings": {"telemetry": False},
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    command = [
        *(str(python.with_name("litellm")), "--config", "config.yaml"),
        *("--host", "127.0.0.1", "--port", str(LITELLM)),
    ]
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_DOCS": "True", "LITELLM_LOG": "ERROR"}
    ready = f"http://127.0.0.1:{LITELLM}/health/liveliness"
    with running(
        "litellm", command, folder=folder, ready=ready, environment=environment, core=core
    ) as process:
        chats = _chats("/v1/chat/completions", {"Authorization": f"Bearer {KEY}"})
        yield Gateway("LiteLLM proxy", LITELLM, process, *chats)


def _report(
    gateways: list[Gateway],
    found: dict[tuple[str, str], list[float]],
    latencies: dict[tuple[str, str], list[float]],
    missing: list[str],
    rounds: int,
) -> None:
    for kind, what in (
        ("whole", "an answer in one piece"),
        ("streamed", f"a streamed answer of {TOKENS} tokens"),
    ):
        rows = []
        for gateway in gateways:
            cpu = Spread.of(found[gateway.name, kind])
            base, here = latencies["directly", kind], latencies[gateway.name, kind]
            shown = [f"{(percentile(here, q) - percentile(base, q)) * 1e3:.2f}" for q in (0.5, 0.95, 0.99)]
            rows.append(
                [
                    gateway.name,
                    f"{cpu.median * 1e6:,.0f} µs ({cpu.least * 1e6:,.0f} … {cpu.most * 1e6:,.0f})",
                    f"{1 / cpu.median:,.0f}",
                    f"{cpu.median / TOKENS * 1e6:,.1f} µs" if kind == "streamed" else "",
                    *(["", "", ""] if gateway.name == "directly" else shown),
                ]
            )
        print(f"**{what}**\n")
        head = ["", "CPU", "per second and core", "CPU a token", "added ms, p50", "p95", "p99"]
        print(table(head, rows), "\n")
    print(f"{rounds} rounds; CPU at {CONNECTIONS} connections, latency at one, less that of the upstream.")
    for reason in missing:
        print(f"\nNot measured: {reason}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    main(arguments.rounds, arguments.seconds)
