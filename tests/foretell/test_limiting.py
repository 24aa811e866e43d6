"""Limits of operations, over every transport: what they refuse, and what they tell."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from websockets.asyncio.client import connect

from db.session import Database
from engine.keys import Keys
from engine.values import Scope
from foretell.app import create_app
from foretell.settings import Settings
from foretell.tiers import TierSettings
from tests.engine.specs import examples
from tests.foretell.graphql_service import serving
from tests.foretell.socket_client import PROTOCOL, Client

VIEWER = "{ viewer { rateLimits { kind scope limit remaining restoreRatePerSecond resetAt } } }"
HELLO = "{ __typename }"
EVENTS = "text/event-stream"


class Limited:
    """The application behind a tier of few requests, at an address of its own."""

    def __init__(self, address: str, secrets: list[str]) -> None:
        self.address = address
        self.secrets = secrets
        self.url = f"http://{address}/graphql"

    async def post(
        self,
        query: str = HELLO,
        *,
        key: int = 0,
        accept: str = "application/graphql-response+json",
        variables: Any = None,
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.secrets[key]}", "Accept": accept}
        async with httpx.AsyncClient(headers=headers) as client:
            return await client.post(self.url, json={"query": query, "variables": variables})

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[Client]:
        async with connect(f"ws://{self.address}/graphql", subprotocols=[PROTOCOL]) as socket:
            yield await Client(socket).init(self.secrets[0])


@asynccontextmanager
async def limited(
    database: Database, folder: Path, models: bool = False, **tier: Any
) -> AsyncIterator[Limited]:
    """Serves a project with two keys, whose tier says this."""
    project = await Keys(database).create_project("ours", "tight")
    secrets = [(await Keys(database).create(project.id, name, Scope))[1] for name in ("a", "b")]
    settings = Settings(
        database_url=database.url.render_as_string(),
        data_directory=folder / "data",
        embedded_models=models,
        worker_slots=0,
        tiers={"tight": TierSettings(**tier)},
    )
    app = create_app(settings)
    async with LifespanManager(app), serving(app) as address:
        yield Limited(address, secrets)


def error(response: httpx.Response) -> dict[str, Any]:
    (only,) = response.json()["errors"]
    return dict(only)


async def test_over_http_the_answer_is_429_and_says_when_to_come_back(
    database: Database, tmp_path: Path
) -> None:
    async with limited(database, tmp_path, requests_per_minute=2) as service:
        answers = [await service.post() for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    refused = answers[2]
    assert error(refused)["extensions"]["code"] == "RATE_LIMITED"
    assert error(refused)["extensions"]["retryable"] is True
    assert 0 < error(refused)["extensions"]["retryAfter"] <= 30
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert "This project may send 2 requests a minute" in error(refused)["message"]
    assert refused.headers["ratelimit-policy"] == '"project-requests";q=2;w=60'
    assert refused.headers["ratelimit"].startswith('"project-requests";r=0;t=')


async def test_what_is_left_is_told_with_every_answer(database: Database, tmp_path: Path) -> None:
    tier: dict[str, Any] = {"requests_per_minute": 10, "query_cost_per_minute": 1000}
    async with limited(database, tmp_path, **tier) as service:
        answer = await service.post("{ viewer { id } }")

    assert (
        answer.headers["ratelimit-policy"] == '"project-requests";q=10;w=60, "project-query-cost";q=1000;w=60'
    )
    assert answer.headers["ratelimit"].startswith('"project-requests";r=9;t=6, "project-query-cost";r=999;t=')
    cost = answer.json()["extensions"]["cost"]
    assert (cost["requested"], cost["maximum"]) == (1, 1000)
    assert (cost["throttle"]["limit"], cost["throttle"]["remaining"]) == (1000, 999)
    assert cost["throttle"]["restoreRatePerSecond"] == 16.667
    assert cost["throttle"]["resetAt"].endswith("Z")


async def test_cost_is_limited_too_and_what_never_fits_is_not_worth_another_try(
    database: Database, tmp_path: Path
) -> None:
    async with limited(database, tmp_path, query_cost_per_minute=10) as service:
        answer = await service.post("{ models(first: 20) { nodes { id } } }")

    assert answer.status_code == 429
    assert error(answer)["extensions"]["retryable"] is False
    assert "retry-after" not in answer.headers


async def test_one_key_can_not_take_what_is_there_for_all(database: Database, tmp_path: Path) -> None:
    async with limited(database, tmp_path, requests_per_minute=6, key_share=0.5) as service:
        first = [(await service.post(key=0)).status_code for _ in range(4)]
        second = [(await service.post(key=1)).status_code for _ in range(4)]
        refused = await service.post(key=1)

    assert first == [200, 200, 200, 429]
    assert second == [200, 200, 200, 429]
    assert refused.status_code == 429


async def test_a_document_that_is_refused_counts_as_a_request(database: Database, tmp_path: Path) -> None:
    async with limited(database, tmp_path, requests_per_minute=2) as service:
        statuses = [(await service.post("{ nothing }")).status_code for _ in range(3)]

    assert statuses == [422, 422, 429]


async def test_over_sse_the_refusal_is_the_stream(database: Database, tmp_path: Path) -> None:
    async with limited(database, tmp_path, requests_per_minute=1) as service:
        first = await service.post(accept=EVENTS)
        second = await service.post(accept=EVENTS)

    assert '"data":{"__typename":"Query"}' in first.text
    event, data, *_ = second.text.splitlines()
    assert event == "event: next"
    (refused,) = json.loads(data.removeprefix("data: "))["errors"]
    assert refused["extensions"]["code"] == "RATE_LIMITED"
    assert refused["extensions"]["retryAfter"] > 0
    assert second.text.rstrip().endswith("event: complete\ndata:")


async def test_on_a_socket_one_refused_operation_fails_alone(database: Database, tmp_path: Path) -> None:
    async with limited(database, tmp_path, requests_per_minute=2) as service, service.socket() as socket:
        for number in range(3):
            await socket.subscribe(str(number), HELLO)
        messages = [await socket.receive() for _ in range(5)]
        await socket.send({"type": "ping"})
        alive = await socket.receive()

    refused = [message for message in messages if message["type"] == "error"]
    assert sorted(message["type"] for message in messages) == [
        "complete",
        "complete",
        "error",
        "next",
        "next",
    ]
    assert refused[0]["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
    assert alive == {"type": "pong"}


async def test_new_sockets_and_other_transports_draw_on_the_same_limit(
    database: Database, tmp_path: Path
) -> None:
    async with limited(database, tmp_path, requests_per_minute=3) as service:
        types = []
        for _ in range(2):
            async with service.socket() as socket:
                await socket.subscribe("a", HELLO)
                types.append((await socket.receive())["type"])
        over_sse = await service.post(accept=EVENTS)
        over_http = await service.post()
        async with service.socket() as socket:
            await socket.subscribe("a", HELLO)
            types.append((await socket.receive())["type"])

    assert types == ["next", "next", "error"]
    assert "RATE_LIMITED" not in over_sse.text
    assert over_http.status_code == 429


async def test_the_viewer_sees_every_limit(database: Database, tmp_path: Path) -> None:
    tier: dict[str, Any] = {
        "requests_per_minute": 6,
        "tokens_per_minute": 50,
        "concurrent_predictions": 4,
        "key_share": 0.5,
    }
    async with limited(database, tmp_path, **tier) as service:
        answer = (await service.post(VIEWER)).json()["data"]["viewer"]["rateLimits"]

    told = {(each["kind"], each["scope"]): (each["limit"], each["remaining"]) for each in answer}
    assert told == {
        ("REQUESTS", "PROJECT"): ("6", "5"),
        ("REQUESTS", "KEY"): ("3", "2"),
        ("TOKENS", "PROJECT"): ("50", "50"),
        ("TOKENS", "KEY"): ("25", "25"),
        ("CONCURRENCY", "PROJECT"): ("4", "4"),
        ("CONCURRENCY", "KEY"): ("2", "2"),
    }


@pytest.mark.parametrize("tier", [{}, {"concurrent_predictions": 1}])
async def test_what_is_not_limited_tells_of_no_limit(
    database: Database, tmp_path: Path, tier: dict[str, int]
) -> None:
    async with limited(database, tmp_path, False, **tier) as service:
        answer = await service.post()

    assert "ratelimit" not in answer.headers
    assert "throttle" not in answer.json()["extensions"]["cost"]


ASKS = 'predict(input: {model: {name: "diabetes"}, data: {tabular: {records: $records}}})'
ANSWERS = "{ prediction { status } errors { code path ... on LimitExceededError { limit { kind } } } }"


async def test_aliases_buy_no_more_predictions(database: Database, tmp_path: Path) -> None:
    aliased = " ".join(f"p{number}: {ASKS} {ANSWERS}" for number in range(4))
    document = f"mutation ($records: JSON!) {{ {aliased} }}"
    variables = {"records": [examples("diabetes")[0]["record"]]}
    async with limited(database, tmp_path, models=True, requests_per_minute=2) as service:
        answer = await service.post(document, variables=variables)

    payloads = answer.json()["data"].values()
    statuses = [payload["prediction"] and payload["prediction"]["status"] for payload in payloads]
    refused = {"code": "RATE_LIMITED", "path": None, "limit": {"kind": "REQUESTS"}}
    assert statuses == ["SUCCEEDED", "SUCCEEDED", None, None]
    assert [payload["errors"] for payload in payloads] == [[], [], [refused], [refused]]
