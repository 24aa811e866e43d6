"""What a server writes down while everything happens to it: ids, and nothing that anybody said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers.openai_compatible import ModelServer
from tests.servers.script import model
from tests.services import free_port
from tests.system.processes import Server, eventually, serving

PROMPT = "planted-prompt"
UPSTREAM_KEY = "planted-upstream-key"
CLIENT_SECRET = "planted-metadata"
ANSWER = "planted-answer"
WRITTEN = "Once upon"
REQUEST_ID = "the-request"

PREDICT = """mutation ($model: String!, $callback: URL, $prompt: String! = "planted-prompt") {
  predict(input: {
    model: {name: $model}, waitMs: 20000, cache: BYPASS, callbackUrl: $callback
    metadata: {secret: "planted-metadata"}
    data: {text: {prompt: {text: $prompt}}}
  }) { prediction { status } errors { message } }
}"""
WRONG = """mutation { predict(input: {
  model: {name: "good"}, data: {text: {prompt: {text: ""}, parameters: {stop: ["planted-prompt"]}}}
}) { prediction { status } errors { message } } }"""
MALFORMED = '{ models(planted: "planted-prompt") { nothing } }'
BATCH = """mutation ($model: String!) { submitBatch(input: {
  model: {name: $model}, source: {items: [{data: {text: {prompt: {text: "planted-prompt"}}}}]}
}) { job { id } errors { message } } }"""
JOB = "query ($id: ID!) { job(id: $id) { status } }"
BREAK = "mutation { rotateWebhookSecret { secret } }"

VERSION = """
[[models]]
name = "{name}"
display_name = "{name}"
task = "TEXT_GENERATION"
[[models.versions]]
version = "1"
backend = {{ kind = "OPENAI", base_url = "{url}", model = "{model}", api_key_env = "PLANTED_KEY" }}
"""
SCRIPTS = {
    "good": model(tokens=4),
    "failing": model(fail=-1, status=500, message=f"{ANSWER} {PROMPT}"),
    "refusing": model(fail=-1, status=400, message=f"{ANSWER} {PROMPT}"),
    "denying": model(fail=-1, status=401, message=f"wrong key {UPSTREAM_KEY}"),
    "broken": model(tokens=4, garbage=2, event=f"{{{ANSWER}"),
    "cut": model(tokens=4, cut=2),
}


@asynccontextmanager
async def logging(folder: Path, **environment: str) -> AsyncIterator[tuple[Server, Path]]:
    """A server that logs all it can, in front of a model server that does all that it can."""
    async with ModelServer().serving() as models:
        file = folder / "models.toml"
        file.write_text(
            "".join(
                VERSION.format(name=name, url=models.url, model=script) for name, script in SCRIPTS.items()
            )
        )
        given = {
            "FORETELL_DATABASE_URL": f"sqlite:///{folder}/foretell.db",
            "FORETELL_DATA_DIRECTORY": str(folder / "data"),
            "FORETELL_MODELS_FILE": str(file),
            "FORETELL_EMBEDDED_MODELS": "false",
            "FORETELL_WEBHOOK_ALLOWED_HOSTS": "127.0.0.1",
            "FORETELL_LOG_LEVEL": "debug",
            "FORETELL_SECRET": "planted-signing-secret-" + "x" * 32,
            "PLANTED_KEY": UPSTREAM_KEY,
            **environment,
        }
        logs = folder / "logs"
        with logs.open("wb") as stderr:
            async with serving(free_port(), given, stderr=stderr) as server:
                yield server, logs


async def post(server: Server, document: str, **variables: Any) -> Any:
    headers = {"Authorization": f"Bearer {server.key}", "X-Request-Id": REQUEST_ID}
    async with httpx.AsyncClient(timeout=30) as client:
        body = {"query": document, "variables": variables}
        return (await client.post(f"{server.url}/graphql", json=body, headers=headers)).json()


async def live_through_everything(server: Server) -> str:
    """Lets it all happen; returns the secret of the webhooks."""
    statuses = {}
    for name in SCRIPTS:
        answer = (await post(server, PREDICT, model=name))["data"]["predict"]
        statuses[name] = answer["prediction"]["status"]
    assert statuses == dict.fromkeys(SCRIPTS, "FAILED") | {"good": "SUCCEEDED"}
    nobody = f"http://127.0.0.1:{free_port()}/{PROMPT}"
    await post(server, PREDICT, model="good", callback=nobody)
    await post(server, PREDICT, model="good", prompt=f"{PROMPT}\0")
    for document in (WRONG, MALFORMED, "{"):
        await post(server, document)
    for name in ("good", "failing"):
        job = (await post(server, BATCH, model=name))["data"]["submitBatch"]["job"]["id"]
        if name == "good":

            async def has_ended(job: str = job) -> bool:
                return bool((await post(server, JOB, id=job))["data"]["job"]["status"] == "SUCCEEDED")

            await eventually(has_ended)
    async with httpx.AsyncClient() as client:
        await client.post(
            f"{server.url}/graphql", headers={"X-API-Key": "fk_planted"}, json={"query": "{ x }"}
        )
    secret: str = (await post(server, BREAK))["data"]["rotateWebhookSecret"]["secret"]
    await asyncio.sleep(1.5)  # the webhook's first attempt
    return secret


@pytest.mark.slow
async def test_lines_carry_ids_and_nothing_that_anybody_said(tmp_path: Path) -> None:
    async with logging(tmp_path, FORETELL_LOG_FORMAT="json") as (server, logs):
        webhook_secret = await live_through_everything(server)
    written = logs.read_text()
    lines = [json.loads(line) for line in written.splitlines() if line.startswith("{")]

    for planted in (
        *(PROMPT, UPSTREAM_KEY, CLIENT_SECRET, ANSWER, WRITTEN),
        *(webhook_secret, server.key, "planted-signing", "fk_planted"),
    ):
        assert planted not in written, planted
    assert all(line["level"] and line["timestamp"] and line["logger"] for line in lines)
    operations = [line for line in lines if line["message"] == "operation"]
    assert {line["request_id"] for line in operations} == {REQUEST_ID}
    assert {line["key"] for line in operations} == {server.key[:11]}
    assert {(line["operation_type"], line["code"]) for line in operations} >= {
        ("mutation", "OK"),
        ("query", "GRAPHQL_VALIDATION_FAILED"),
        ("unknown", "GRAPHQL_PARSE_FAILED"),
    }
