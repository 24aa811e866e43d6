"""`predict` on an ONNX model, against MLServer with the same file: what a prediction costs.

    python -m benchmarks.model_server [--rounds 5] [--seconds 2]

A record in, a number out, at 16 connections, each server on one core, the load on another. Foretell checks
the record by its schema, stores the prediction and its ledger row, with keys, limits, cost, metrics and logs
on, and commits before it answers; MLServer, without a pool of workers, has none of that. Both have to answer
the same.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness.dataset import Dataset, dataset
from benchmarks.harness.load import Load, drive, request
from benchmarks.harness.ours import RUN, served
from benchmarks.harness.peers import PeerError, python_peers
from benchmarks.harness.places import PEERS
from benchmarks.harness.processes import Running, cores, running
from benchmarks.harness.questions import M1, graphql, predict_input
from benchmarks.harness.rounds import Spread, ratios, table

OURS, PEER, PEER_GRPC, PEER_METRICS = 8680, 8681, 8682, 8683
CONNECTIONS = 16
SAME = 17
"""The request whose answers are compared."""


@dataclass(frozen=True, slots=True)
class Server:
    """One that predicts."""

    name: str
    port: int
    process: Running
    make: Callable[[int], bytes]
    value: Callable[[Any], float]
    """Reads the number in an answer."""


def main(rounds: int, seconds: float) -> None:
    server_core, load_core = cores()
    data, missing = dataset(10), ""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with ExitStack() as stack:
        servers = [stack.enter_context(_foretell(data, server_core))]
        try:
            servers.append(stack.enter_context(_mlserver(data, server_core)))
        except (PeerError, RuntimeError) as error:
            missing = f"MLServer: {error}"
        os.sched_setaffinity(0, {load_core})
        _require_the_same(servers)
        number = SAME + 1
        for _ in range(rounds):
            for server in servers:
                before = server.process.precise_cpu_seconds()
                load = _drive(server, server.make, seconds, CONNECTIONS, number)
                used = server.process.precise_cpu_seconds() - before
                number += load.answers + CONNECTIONS
                found[server.name].append((used / load.answers, load.answers / load.seconds))
    _report(found, missing, rounds)


def _drive(
    server: Server, make: Callable[[int], bytes], seconds: float, connections: int, first: int
) -> Load:
    load = drive(server.port, make, seconds=seconds, connections=connections, first=first)
    if load.failures:
        raise RuntimeError(f"{server.name}: {load.failures} failed: {load.sample[:400]!r}")
    return load


def _require_the_same(servers: list[Server]) -> None:
    values = [server.value(json.loads(_drive(server, server.make, 0, 1, SAME).sample)) for server in servers]
    if not all(math.isclose(value, values[0], rel_tol=1e-5) for value in values):
        raise RuntimeError(f"the answers differ: {values}")


@contextmanager
def _foretell(data: Dataset, core: int) -> Iterator[Server]:
    headers = {"Authorization": f"Bearer {data.secret}"}

    def make(number: int) -> bytes:
        return request("/graphql", graphql(M1, {"input": predict_input(number)}), headers)

    def value(answer: Any) -> float:
        return float(answer["data"]["predict"]["prediction"]["output"]["results"][0]["value"])

    with served(data, OURS, core=core) as process:
        yield Server("Foretell", OURS, process, make, value)


@contextmanager
def _mlserver(data: Dataset, core: int) -> Iterator[Server]:
    bin_folder, folder = python_peers("mlserver").parent, RUN / "mlserver"
    _write_settings(folder, data.model_file)
    environment = {"PYTHONPATH": str(PEERS / "mlserver"), "PATH": f"{bin_folder}:{os.environ['PATH']}"}
    environment |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command, ready = [str(bin_folder / "mlserver"), "start", "."], f"http://127.0.0.1:{PEER}/v2/health/ready"
    with running(
        "mlserver", command, folder=folder, ready=ready, environment=environment, core=core
    ) as process:
        yield Server("MLServer", PEER, process, _inference, lambda answer: answer["outputs"][0]["data"][0])


def _inference(number: int) -> bytes:
    (record,) = predict_input(number)["data"]["tabular"]["records"]
    tensor = {"name": "features", "datatype": "FP32", "shape": [1, len(record)], "data": [*record.values()]}
    return request("/v2/models/diabetes/infer", json.dumps({"inputs": [tensor]}).encode())


def _write_settings(folder: Path, model_file: str) -> None:
    server = {
        "host": "127.0.0.1",
        "http_port": PEER,
        "grpc_port": PEER_GRPC,
        "metrics_port": PEER_METRICS,
        "metrics_endpoint": None,
        "parallel_workers": 0,
        "debug": False,
    }
    model = {
        "name": "diabetes",
        "implementation": "served.OnnxModel",
        "parameters": {"uri": model_file, "version": "v1"},
    }
    (folder / "diabetes").mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_text(json.dumps(server))
    (folder / "diabetes" / "model-settings.json").write_text(json.dumps(model))


def _report(found: dict[str, list[tuple[float, float]]], missing: str, rounds: int) -> None:
    rows = []
    ours = [cpu for cpu, _ in found["Foretell"]]
    for name, measured in found.items():
        cpu = Spread.of([each for each, _ in measured])
        times = ratios(ours, [each for each, _ in measured])
        shown = f"{times.median:.2f} ({times.least:.2f} … {times.most:.2f})"
        rows.append(
            [
                name,
                f"{cpu.median * 1e6:,.0f} µs ({cpu.least * 1e6:,.0f} … {cpu.most * 1e6:,.0f})",
                f"{1 / cpu.median:,.0f}",
                f"{Spread.of([rate for _, rate in measured]).median:,.0f}",
                "" if name == "Foretell" else shown,
            ]
        )
    head = ["", "CPU a prediction", "per second and core", "answers/s", "times Foretell's CPU"]
    print(table(head, rows))
    print(f"\n{rounds} rounds, {CONNECTIONS} connections; medians, and the least and the most of the rounds.")
    if missing:
        print(f"\nNot measured: {missing}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    main(arguments.rounds, arguments.seconds)
