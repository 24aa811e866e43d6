"""One trace from whoever asks to the model's server, through requests, jobs and what fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from foretell.settings import Settings, TracesSettings
from tests.clients.served import Served, served
from tests.servers.collector import CollectedSpan, Collector, collecting
from tests.servers.openai_compatible import ModelServer
from tests.servers.script import model

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
PREDICT = """mutation { predict(input: {
  model: {name: "story"}, waitMs: 20000, cache: BYPASS, data: {text: {prompt: {text: "planted-prompt"}}}
}) { prediction { id status } errors { message } } }"""
BATCH = """mutation { submitBatch(input: {
  model: {name: "story"}, source: {items: [{data: {text: {prompt: {text: "planted-prompt"}}}}]}
}) { job { id } errors { message } } }"""
JOB = "query ($id: ID!) { job(id: $id) { status } }"
TOKENS = """subscription ($id: ID!) { tokens(predictionId: $id, after: 0) { sequence } }"""
REGISTRY = """
[[models]]
name = "story"
display_name = "A story"
task = "TEXT_GENERATION"
[[models.versions]]
version = "1"
backend = {{ kind = "OPENAI", base_url = "{url}", model = "{model}" }}
"""


@asynccontextmanager
async def site(
    script: str, folder: Path, url: str, sample: float = 1.0
) -> AsyncIterator[tuple[Served, ModelServer, Collector]]:
    """Foretell between a model server and a collector; spans are complete when it has ended."""
    with collecting() as collector:
        async with ModelServer().serving() as models:
            file = folder / "models.toml"
            file.write_text(REGISTRY.format(url=models.url, model=script))
            settings = Settings(
                database_url=url,
                data_directory=folder / "data",
                models_file=file,
                embedded_models=False,
                traces=TracesSettings(endpoint=collector.url, sample=sample),
            )
            async with served(settings) as server:
                yield server, models, collector


async def ask(server: Served, document: str, traceparent: str | None = None, **variables: Any) -> Any:
    headers = {"Authorization": f"Bearer {server.key}"} | (
        {"traceparent": traceparent} if traceparent else {}
    )
    async with httpx.AsyncClient(timeout=30) as client:
        body = {"query": document, "variables": variables}
        return (await client.post(f"{server.url}/graphql", json=body, headers=headers)).json()["data"]


def ancestors(span: CollectedSpan, collector: Collector) -> list[str]:
    """The names of a span and those it is within, the innermost first."""
    by_id = {each.span_id: each for each in collector.spans}
    names = [span.name]
    while (found := by_id.get(span.parent_id)) is not None:
        span = found
        names.append(span.name)
    return [*names, span.parent_id]


async def test_a_callers_trace_goes_through_to_the_models_server(tmp_path: Path, sqlite_url: str) -> None:
    async with site(model(tokens=3), tmp_path, sqlite_url) as (server, models, collector):
        await ask(server, PREDICT, f"00-{TRACE_ID}-{CALLER}-01")

    call = collector.named("text_completion story?tokens=3")
    assert ancestors(call, collector) == [
        "text_completion story?tokens=3",
        "prediction story/1",
        "mutation",
        "POST",
        CALLER,
    ]
    assert {each.trace_id for each in collector.spans} == {TRACE_ID}
    assert models.calls[0].headers["traceparent"] == f"00-{TRACE_ID}-{call.span_id}-01"
    assert call.attributes["gen_ai.operation.name"] == "text_completion"
    assert call.attributes["gen_ai.provider.name"] == "openai"
    assert call.attributes["gen_ai.request.model"] == "story?tokens=3"
    assert call.attributes["gen_ai.usage.output_tokens"] == 3
    assert call.attributes["server.address"] == "127.0.0.1"
    assert call.kind == 3  # CLIENT


async def test_a_jobs_chunks_go_on_with_the_trace_that_submitted_it(tmp_path: Path, sqlite_url: str) -> None:
    async with site(model(tokens=3), tmp_path, sqlite_url) as (server, _, collector):
        job = (await ask(server, BATCH, f"00-{TRACE_ID}-{CALLER}-01"))["submitBatch"]["job"]["id"]
        async with asyncio.timeout(20):
            while (await ask(server, JOB, id=job))["job"]["status"] != "SUCCEEDED":  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    call = collector.named("text_completion story?tokens=3")
    assert ancestors(call, collector) == [
        "text_completion story?tokens=3",
        "chunk",
        "mutation",
        "POST",
        CALLER,
    ]
    assert call.trace_id == TRACE_ID


async def test_what_fails_is_marked_by_its_code_and_says_nothing_more(
    tmp_path: Path, sqlite_url: str
) -> None:
    script = model(fail=-1, status=500, message="planted-answer")
    async with site(script, tmp_path, sqlite_url) as (server, _, collector):
        await ask(server, PREDICT)

    call = next(each for each in collector.spans if each.name.startswith("text_completion"))
    assert call.is_error
    assert call.attributes["error.type"] == "MODEL_ERROR"


async def test_subscriptions_are_traced_beside_what_they_follow(tmp_path: Path, sqlite_url: str) -> None:
    async with site(model(tokens=3), tmp_path, sqlite_url) as (server, _, collector):
        prediction = (await ask(server, PREDICT))["predict"]["prediction"]["id"]
        headers = {"Authorization": f"Bearer {server.key}", "Accept": "text/event-stream"}
        async with httpx.AsyncClient(timeout=30) as client:
            body = {"query": TOKENS, "variables": {"id": prediction}}
            answer = await client.post(f"{server.url}/graphql", json=body, headers=headers)

    assert "event: complete" in answer.text
    assert ancestors(collector.named("subscription"), collector)[:2] == ["subscription", "POST"]


async def test_a_caller_that_does_not_record_is_not_recorded(tmp_path: Path, sqlite_url: str) -> None:
    async with site(model(tokens=3), tmp_path, sqlite_url) as (server, _, collector):
        await ask(server, PREDICT, f"00-{TRACE_ID}-{CALLER}-00")

    assert [each for each in collector.spans if each.trace_id == TRACE_ID] == []


async def test_nothing_is_sent_of_what_was_asked_and_answered(tmp_path: Path, sqlite_url: str) -> None:
    async with site(model(tokens=3), tmp_path, sqlite_url) as (server, _, collector):
        await ask(server, PREDICT)
        await ask(server, "query PlantedName { predictions(first: 1) { totalCount } }")
        key = server.key

    sent = b"".join(collector.bodies)
    assert collector.spans
    for planted in (b"planted-prompt", b"Once upon", b"PlantedName", key.encode()):
        assert planted not in sent


async def test_a_collector_that_is_away_changes_nothing(tmp_path: Path, sqlite_url: str) -> None:
    with collecting() as collector:
        gone = collector.url
    settings = Settings(database_url=sqlite_url, embedded_models=False, traces=TracesSettings(endpoint=gone))
    async with served(settings) as server:
        found = await ask(server, "{ predictions { totalCount } }")

    assert found == {"predictions": {"totalCount": 0}}
