"""Queries and a mutation over HTTP, against other GraphQL servers and against endpoints written by hand.

    python -m benchmarks.requests [--rounds 5] [--seconds 1.5]

Every server reads the same SQLite file of 200,000 predictions, on one core; the load comes from another.
Foretell is `foretell serve` with keys, rate limits, cost, metrics and logs on; the others have none of that.
All answer the same, which is checked. A round asks every server every question, one after the other. CPU is
what the server's processes used, by /proc; the ratios are of CPU for one answer, round by round.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.harness import ours
from benchmarks.harness.dataset import Dataset, dataset
from benchmarks.harness.load import drive, request
from benchmarks.harness.peers import PeerError, node, node_peers, python_peers
from benchmarks.harness.places import INSTALLED, PEERS
from benchmarks.harness.processes import Running, cores, running
from benchmarks.harness.questions import Question, global_id, predict_input, questions
from benchmarks.harness.rounds import Spread, ratios, table

ROWS = 200_000
CONNECTIONS = 16
OURS = "Foretell"
IDIOMATIC = "Strawberry, SQLModel, loaders"

MakeRequest = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Server:
    """One that is measured."""

    name: str
    command: list[str]
    environment: dict[str, str]
    ready: str
    port: int
    requests: dict[str, MakeRequest]


@dataclass(frozen=True, slots=True)
class Measured:
    """What one server did with one question in one round."""

    cpu: float
    """Seconds for one answer."""
    rate: float
    """Answers in a second."""


def main(rounds: int, seconds: float) -> None:
    data = _copied(dataset(ROWS))
    asked = questions(data)
    servers, missing = _servers(data, asked)
    server_core, load_core = cores()
    found: dict[tuple[str, str], list[Measured]] = defaultdict(list)
    with ExitStack() as stack:
        started: list[tuple[Server, Running]] = []
        for server in servers:
            try:
                process = running(
                    server.name,
                    server.command,
                    folder=INSTALLED / "run",
                    ready=server.ready,
                    environment=server.environment,
                    core=server_core,
                )
                started.append((server, stack.enter_context(process)))
            except RuntimeError as error:
                missing.append(f"{server.name}: {error}")
        os.sched_setaffinity(0, {load_core})
        _compare_answers(started, asked)
        number = 0
        for _ in range(rounds):
            for server, process in started:
                for question in asked:
                    make = server.requests[question.name]
                    before = process.precise_cpu_seconds()
                    load = drive(server.port, make, seconds=seconds, connections=CONNECTIONS, first=number)
                    used = process.precise_cpu_seconds() - before
                    number += load.answers + CONNECTIONS
                    if load.failures:
                        raise RuntimeError(f"{server.name} failed {question.name}: {load.sample[:300]!r}")
                    measured = Measured(used / load.answers, load.answers / load.seconds)
                    found[server.name, question.name].append(measured)
    _report(found, asked, [server.name for server, _ in started], missing, rounds)


def _copied(data: Dataset) -> Dataset:
    """Returns the data in a file of its own: the mutation adds to it."""
    file = INSTALLED / "run" / "requests.db"
    file.parent.mkdir(parents=True, exist_ok=True)
    for left in file.parent.glob("requests.db*"):
        left.unlink()
    shutil.copy(data.file, file)
    return replace(data, file=str(file))


def _servers(data: Dataset, asked: list[Question]) -> tuple[list[Server], list[str]]:
    servers, missing = [_ours(data, asked)], []
    environment = {
        "PEER_FILE": data.file,
        "PEER_PROJECT": data.project_id,
        "PEER_MODEL": data.model_file,
        "NODE_ENV": "production",
    }
    try:
        servers += _python_servers(python_peers(), environment, data, asked)
    except PeerError as error:
        missing.append(f"the peers in Python: {error}")
    try:
        servers += _node_servers(node_peers(), environment, asked)
    except PeerError as error:
        missing.append(f"the peers in Node.js: {error}")
    return servers, missing


def _ours(data: Dataset, asked: list[Question]) -> Server:
    key = {"Authorization": f"Bearer {data.secret}"}
    return _graphql(OURS, ours.command(8601), ours.settings(data), 8601, asked, key, ready="/ready")


def _graphql(
    name: str,
    command: list[str],
    environment: dict[str, str],
    port: int,
    asked: list[Question],
    headers: dict[str, str] | None = None,
    ready: str = "/",
) -> Server:
    def make(question: Question) -> MakeRequest:
        return lambda number: request("/graphql", question.body(number), headers)

    requests = {question.name: make(question) for question in asked}
    return Server(name, command, environment, f"http://127.0.0.1:{port}{ready}", port, requests)


def _python_servers(
    python: Path, environment: dict[str, str], data: Dataset, asked: list[Question]
) -> Iterator[Server]:
    environment = {**environment, "PYTHONPATH": str(PEERS / "python")}

    def uvicorn(app: str, port: int) -> list[str]:
        return [
            *(str(python), "-m", "uvicorn", app, "--port", str(port)),
            *("--no-access-log", "--log-level", "warning", "--lifespan", "off"),
        ]

    yield _graphql(IDIOMATIC, uvicorn("strawberry_sqlmodel:app", 8602), environment, 8602, asked)
    yield _graphql("Ariadne, one statement", uvicorn("ariadne_tuned:app", 8603), environment, 8603, asked)
    by_hand = {
        "Q1": lambda _: request("/predictions?first=50", b"", method="GET"),
        "Q2": lambda number: request(f"/predictions/{_some_id(data, number)}", b"", method="GET"),
        "Q3": lambda _: request("/models?first=20", b"", method="GET"),
        "M1": lambda number: request("/predict", json.dumps(predict_input(number)).encode()),
    }
    for name, app, port in (
        ("FastAPI endpoints by hand", "by_hand:app", 8604),
        ("ASGI by hand", "by_hand:bare", 8605),
    ):
        ready = f"http://127.0.0.1:{port}/models?first=1"
        yield Server(name, uvicorn(app, port), environment, ready, port, by_hand)


def _some_id(data: Dataset, number: int) -> str:
    return global_id("Prediction", data.prediction_ids[number * 7919 % len(data.prediction_ids)])


def _node_servers(folder: Path, environment: dict[str, str], asked: list[Question]) -> Iterator[Server]:
    for name, script, port, more in (
        ("Apollo Server, one statement", "apollo.mjs", 8606, {}),
        ("Mercurius, JIT, one statement", "mercurius.mjs", 8607, {}),
        ("Mercurius, JIT, loaders", "mercurius.mjs", 8608, {"PEER_LOADERS": "1"}),
    ):
        given = {**environment, "PORT": str(port), **more}
        yield _graphql(name, [node(), str(folder / script)], given, port, asked)


def _compare_answers(started: list[tuple[Server, Running]], asked: list[Question]) -> None:
    """Makes sure that all answer the same."""
    for question in asked:
        answers = {}
        for server, _ in started:
            make = server.requests[question.name]
            load = drive(server.port, lambda _, make=make: make(7), seconds=0.0, connections=1)
            shown = json.loads(load.sample)
            if load.failures or shown.get("errors") or not shown.get("data"):
                raise RuntimeError(f"{server.name} failed {question.name}: {load.sample[:500]!r}")
            answers[server.name] = _comparable(shown["data"])
        first = next(iter(answers.values()))
        different = [name for name, answer in answers.items() if answer != first]
        if different:
            raise RuntimeError(f"{question.name} is answered differently by {', '.join(different)}")


def _comparable(value: Any) -> Any:
    """Returns an answer without the id of the prediction that a mutation makes."""
    if isinstance(value, dict) and "predict" in value:
        prediction = value["predict"]["prediction"]
        results = [round(each["value"], 3) for each in prediction["output"]["results"]]
        return prediction["status"], results, value["predict"]["errors"]
    return value


def _report(
    found: dict[tuple[str, str], list[Measured]],
    asked: list[Question],
    names: list[str],
    missing: list[str],
    rounds: int,
) -> None:
    for question in asked:
        print(f"**{question.name}**: {question.about}\n")
        own = found[OURS, question.name]
        rows = []
        for name in names:
            measured = found[name, question.name]
            cpu = Spread.of([each.cpu for each in measured])
            rate = Spread.of([each.rate for each in measured])
            times = ratios([each.cpu for each in own], [each.cpu for each in measured])
            shown = f"{times.median:.2f} ({times.least:.2f} … {times.most:.2f})"
            rows.append(
                [
                    name,
                    f"{cpu.median * 1e6:,.0f} µs",
                    f"{rate.median:,.0f}",
                    "" if name == OURS else shown,
                ]
            )
        print(table(["server", "CPU an answer", "answers/s", "times Foretell's CPU"], rows), "\n")
    print(f"{rounds} rounds, {CONNECTIONS} connections; medians, and the least and the most of the rounds.")
    for reason in missing:
        print(f"\nNot measured: {reason}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5)
    arguments = parser.parse_args()
    main(arguments.rounds, arguments.seconds)
