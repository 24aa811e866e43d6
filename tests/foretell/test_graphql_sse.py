"""GraphQL over Server-Sent Events: frames, heartbeats, endings, over a real connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from foretell.graphql import TransportOptions, operations
from tests.foretell.graphql_service import EXPIRING, HEADERS, Service, serving

STREAM = {**HEADERS, "Accept": "text/event-stream"}


@pytest.fixture(autouse=True, params=["compiled", "Strawberry"])
def runs_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets operations run with and without Strawberry's machinery: nobody sees a difference."""
    if request.param == "Strawberry":
        monkeypatch.setattr(operations, "compiled_of", lambda schema: None)


class Stream:
    """The frames of an event stream; a comment is the event ""."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.frames = self._read()

    async def _read(self) -> AsyncIterator[tuple[str, Any]]:
        text = ""
        async for chunk in self.response.aiter_text():
            text += chunk
            while "\n\n" in text:
                frame, _, text = text.partition("\n\n")
                yield _parsed(frame)

    async def frame(self) -> tuple[str, Any]:
        async with asyncio.timeout(5):
            return await anext(self.frames)

    async def all(self) -> list[tuple[str, Any]]:
        async with asyncio.timeout(5):
            return [frame async for frame in self.frames]


def _parsed(frame: str) -> tuple[str, Any]:
    if frame.startswith(":"):
        return "", None
    event, data = frame.split("\n")
    value = data.removeprefix("data: ")
    return event.removeprefix("event: "), json.loads(value) if value else None


@asynccontextmanager
async def stream(service: Service, query: str, **headers: str) -> AsyncIterator[Stream]:
    async with (
        serving(service.app) as address,
        httpx.AsyncClient(headers={**STREAM, **headers}) as client,
        client.stream("POST", f"http://{address}/graphql", json={"query": query}) as response,
    ):
        yield Stream(response)


def with_options(**options: Any) -> Service:
    return Service(options={"options": TransportOptions(**options)})


async def eventually(check: Any) -> None:
    async with asyncio.timeout(5):
        while not check():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.01)


async def test_a_subscription_is_streamed_and_completed() -> None:
    async with stream(Service(), "subscription { count(to: 2) }") as events:
        frames = await events.all()

    assert [name for name, _ in frames] == ["next", "next", "complete"]
    assert [frame["data"]["count"] for _, frame in frames[:2]] == [1, 2]


async def test_the_response_is_not_buffered_or_kept_on_its_way() -> None:
    async with stream(Service(), "subscription { count(to: 1) }") as events:
        headers = events.response.headers

    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-cache, no-transform"
    assert headers["x-accel-buffering"] == "no"
    assert headers["x-request-id"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_query_is_one_event(method: str) -> None:
    async with Service().client(Accept="text/event-stream") as client:
        body = {"query": "{ hello }"}
        response = await (
            client.get("/graphql", params=body) if method == "GET" else client.post("/graphql", json=body)
        )

    assert response.text.split("\n\n")[-2] == "event: complete\ndata: "
    assert "\r" not in response.text


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { breaks }", "INTERNAL"),
        ("{ broken }", "INTERNAL"),
    ],
)
async def test_errors_are_events_masked_and_coded(query: str, code: str) -> None:
    async with stream(Service(), query) as events:
        frames = await events.all()

    (error,) = [frame["errors"][0] for name, frame in frames if name == "next" and "errors" in frame]
    assert error["extensions"]["code"] == code
    assert error["extensions"]["requestId"] == events.response.headers["x-request-id"]
    assert "secret" not in json.dumps(frames)
    assert frames[-1] == ("complete", None)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ({}, {}, 422),
        ({"query": "{ hello }"}, {"Authorization": ""}, 401),
        ({"query": " " * 70_000}, {}, 413),
        ({"documentId": "sha256:" + "0" * 64}, {}, 404),
    ],
)
async def test_what_can_not_be_run_at_all_is_no_stream(
    body: Any, headers: dict[str, str], status: int
) -> None:
    async with Service().client(Accept="text/event-stream", **headers) as client:
        response = await client.post("/graphql", json=body)

    assert response.status_code == status
    assert response.json()["errors"]


async def test_a_mutation_by_get_is_refused() -> None:
    service = Service()

    async with service.client(Accept="text/event-stream") as client:
        response = await client.get("/graphql", params={"query": 'mutation { write(name: "x") }'})

    assert response.status_code == 405
    assert service.written == []


async def test_silence_is_filled_with_comments() -> None:
    async with stream(with_options(heartbeat=0.05), "subscription { silence }") as events:
        frames = [await events.frame() for _ in range(3)]

    assert frames == [("", None)] * 3


async def test_heartbeats_do_not_cut_into_a_slow_stream() -> None:
    service = with_options(heartbeat=0.02)

    async with stream(service, "subscription { count(to: 3, seconds: 0.05) }") as events:
        frames = await events.all()

    numbers = [frame["data"]["count"] for name, frame in frames if name == "next"]
    assert numbers == [1, 2, 3]
    assert ("", None) in frames


async def test_leaving_stops_the_subscription() -> None:
    service = Service()
    async with serving(service.app) as address:
        async with httpx.AsyncClient(headers=STREAM) as client:
            body = {"query": "subscription { count(to: 1000000, seconds: 0.01) }"}
            async with client.stream("POST", f"http://{address}/graphql", json=body) as response:
                await Stream(response).frame()
                assert service.watching == 1

        await eventually(lambda: service.watching == 0)
        assert service.endpoint.websocket.by_address["127.0.0.1"] == 0


async def test_a_mutation_survives_its_caller() -> None:
    service = Service()
    async with serving(service.app) as address:
        async with httpx.AsyncClient(headers=STREAM) as client:
            body = {"query": 'mutation { write(name: "kept", seconds: 0.3) }'}
            async with client.stream("POST", f"http://{address}/graphql", json=body):
                await eventually(lambda: service.sessions)
        await asyncio.sleep(0.1)
        await service.endpoint.close()

    assert service.written == ["kept"]


@pytest.mark.parametrize(
    ("cause", "code", "retryable", "names"),
    [
        ("shutdown", "UNAVAILABLE", True, ["next"]),  # not complete, so clients connect again
        ("revoked", "UNAUTHENTICATED", False, ["next", "complete"]),
    ],
)
async def test_we_end_a_stream_with_an_error(
    cause: str, code: str, retryable: bool, names: list[str]
) -> None:
    service = Service()
    async with stream(service, "subscription { silence }") as events:
        await eventually(lambda: service.sessions)

        getattr(service, cause).set()
        frames = await events.all()

    assert [name for name, _ in frames] == names
    (error,) = frames[0][1]["errors"]
    assert (error["extensions"]["code"], error["extensions"]["retryable"]) == (code, retryable)


async def test_an_expired_credential_ends_the_stream() -> None:
    query = "subscription { silence }"
    async with stream(Service(), query, Authorization=f"Bearer {EXPIRING}") as events:
        frames = await events.all()

    assert frames[0][1]["errors"][0]["message"] == "The credential has expired."


async def test_streams_of_an_address_are_capped() -> None:
    service = with_options(sockets_per_address=1)
    async with serving(service.app) as address, httpx.AsyncClient(headers=STREAM) as client:
        url, body = f"http://{address}/graphql", {"query": "subscription { count(to: 9, seconds: 0.1) }"}
        async with client.stream("POST", url, json=body) as response:
            first = Stream(response)  # kept: without it the response would be closed
            await first.frame()

            second = await client.post(url, json=body)

    assert second.status_code == 429
    assert second.headers["retry-after"]
