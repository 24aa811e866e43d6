"""Servers of texts that many follow: Foretell, graphql-ws on Node.js, and a bare WebSocket as the floor."""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx

from benchmarks.harness.dataset import Dataset, dataset
from benchmarks.harness.ours import RUN, served
from benchmarks.harness.peers import node, node_peers, python_peers
from benchmarks.harness.places import PEERS, ROOT
from benchmarks.harness.processes import Running, running
from benchmarks.harness.subscribers import EventStream, GraphQLSocket, RawSocket, Subscriber

UPSTREAM, OURS, NODE, FLOOR, RELAY = 8670, 8671, 8672, 8673, 8674
WS, SSE = "Foretell, WebSocket", "Foretell, SSE"
PREDICT = """mutation Ask($input: PredictInput!) {
  predict(input: $input) { prediction { id } errors { message } }
}"""
NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class Server:
    """One way to follow texts."""

    name: str
    port: int
    process: Running
    go: int
    """The port that is asked to go on with the texts."""
    texts: Callable[[int], Awaitable[list[str]]]
    """Begins that many texts and returns their ids."""
    subscriber: Callable[[str], Subscriber]


def ask_to_go(port: int) -> None:
    urllib.request.urlopen(f"http://127.0.0.1:{port}/go", timeout=30).close()


@contextmanager
def foretell(server_core: int, load_core: int) -> Iterator[list[Server]]:
    data = dataset(10)
    file = RUN / "streaming.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        Path(data.models_file).read_text()
        + '\n[[models]]\nname = "paced"\ndisplay_name = "Paced"\ntask = "TEXT_GENERATION"\n'
        '[[models.versions]]\nversion = "1"\n'
        f'backend = {{ kind = "OPENAI", base_url = "http://127.0.0.1:{UPSTREAM}/v1", model = "fast", '
        "max_connections = 2000, timeouts = { between_tokens = 600, total = 600 } }\n"
        'price = { input_per_million_tokens = "0.15", output_per_million_tokens = "0.60" }\n'
    )
    upstream = [sys.executable, "-m", "benchmarks.harness.paced", str(UPSTREAM)]
    ready, environment = f"http://127.0.0.1:{UPSTREAM}/v1/models", {"PYTHONPATH": str(ROOT)}
    more = {"FORETELL_MODELS_FILE": str(file)}
    more |= {f"FORETELL_CONNECTION_PER_{each}": "20000" for each in ("ADDRESS", "KEY")}
    with (
        running("paced", upstream, folder=RUN, ready=ready, environment=environment, core=load_core),
        served(data, OURS, core=server_core, more=more) as process,
    ):

        async def texts(size: int) -> list[str]:
            return await _predict(data, size)

        made: tuple[tuple[str, Callable[[str], Subscriber]], ...] = (
            (WS, lambda text: GraphQLSocket(text, data.secret)),
            (SSE, lambda text: EventStream(text, data.secret)),
        )
        yield [Server(name, OURS, process, UPSTREAM, texts, subscriber) for name, subscriber in made]


async def _predict(data: Dataset, size: int) -> list[str]:
    """Asks for texts and does not wait for them; returns the predictions' ids."""
    ids = []
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {data.secret}"}) as client:
        for _ in range(size):
            text = {"prompt": {"text": f"Say {next(NUMBERS)}"}}
            given = {"model": {"name": "paced"}, "data": {"text": text}, "waitMs": 0, "cache": "BYPASS"}
            body = {"query": PREDICT, "variables": {"input": given}}
            answer = await client.post(f"http://127.0.0.1:{OURS}/graphql", json=body)
            payload = answer.json()["data"]["predict"]
            if payload["errors"]:
                raise RuntimeError(payload["errors"])
            ids.append(payload["prediction"]["id"])
    return ids


@contextmanager
def graphql_ws(core: int) -> Iterator[Server]:
    with _graphql_ws("graphql-ws", core, NODE) as made:
        yield Server("graphql-ws on Node.js", NODE, made, NODE, _named, GraphQLSocket)


@contextmanager
def relay(core: int) -> Iterator[Server]:
    """The same with texts from Foretell's upstream, which runs as long as `foretell` does."""
    with _graphql_ws("graphql-ws-relay", core, RELAY, UPSTREAM=str(UPSTREAM)) as made:
        yield Server("graphql-ws, from the upstream", RELAY, made, UPSTREAM, _named, GraphQLSocket)


@contextmanager
def _graphql_ws(name: str, core: int, port: int, **more: str) -> Iterator[Running]:
    command = [node(), str(node_peers() / "streaming.mjs")]
    environment = {"PORT": str(port), "NODE_ENV": "production", **more}
    ready = f"http://127.0.0.1:{port}/"
    with running(name, command, folder=RUN, ready=ready, environment=environment, core=core) as made:
        yield made


@contextmanager
def floor(core: int) -> Iterator[Server]:
    command = [
        *(str(python_peers()), "-m", "uvicorn", "raw_streaming:app", "--port", str(FLOOR)),
        *("--no-access-log", "--log-level", "warning", "--lifespan", "off"),
        *("--ws-per-message-deflate", "false"),
    ]
    environment = {"PYTHONPATH": str(PEERS / "python")}
    ready = f"http://127.0.0.1:{FLOOR}/"
    with running("floor", command, folder=RUN, ready=ready, environment=environment, core=core) as made:
        yield Server("bare WebSocket", FLOOR, made, FLOOR, _named, lambda text: RawSocket(f"/{text}"))


async def _named(size: int) -> list[str]:
    return [f"text-{next(NUMBERS)}" for _ in range(size)]
