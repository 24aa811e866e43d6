"""What `/metrics` says after things have happened."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from foretell.app import create_app
from foretell.lifespan import first_secret
from foretell.settings import DocumentSettings, MetricsSettings, Settings
from resolvers.context import Services
from tests.engine.specs import examples

RECORD = examples("breast-cancer")[0]["record"]
PREDICT = """mutation ($record: JSON!) {
  predict(input: {model: {name: "breast-cancer"}, data: {tabular: {records: [$record]}}}) {
    prediction { id cached } errors { message }
  }
}"""
BATCH = """mutation ($record: JSON!) { submitBatch(input: {
  model: {name: "breast-cancer"}
  source: {items: [{data: {tabular: {records: [$record]}}}, {data: {tabular: {records: [$record]}}}]}
}) { job { id } errors { message } } }"""
JOB = "query ($id: ID!) { job(id: $id) { status } }"

Samples = dict[str, list[tuple[dict[str, str], float]]]


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    app = create_app(settings)
    async with LifespanManager(app, startup_timeout=60, shutdown_timeout=60):
        headers = {"X-API-Key": await first_secret(app.state.services.database) or ""}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", headers=headers
        ) as client:
            yield app, client


async def ask(client: httpx.AsyncClient, document: str, **variables: Any) -> Any:
    answer = (await client.post("/graphql", json={"query": document, "variables": variables})).json()
    assert "errors" not in answer, answer
    return answer["data"]


async def samples(client: httpx.AsyncClient) -> Samples:
    response = await client.get("/metrics")
    assert response.status_code == 200
    found: Samples = {}
    for family in text_string_to_metric_families(response.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def value(found: Samples, metric: str, /, **labels: str) -> float:
    """The sum of the samples that have these labels."""
    return sum(number for given, number in found[metric] if labels.items() <= given.items())


@pytest.fixture
def settings(sqlite_url: str, tmp_path: Path) -> Settings:
    return Settings(database_url=sqlite_url, data_directory=tmp_path / "data", embedded_models=False)


@pytest.fixture
def with_models(settings: Settings) -> Settings:
    return settings.model_copy(update={"embedded_models": True, "inference_threads": 1})


async def test_predictions_are_counted_by_model_version_status_and_cache(with_models: Settings) -> None:
    async with serving(with_models) as (_, client):
        for _ in range(3):
            await ask(client, PREDICT, record=RECORD)

        found = await samples(client)

    of_the_model = {"model": "breast-cancer", "version": "1", "status": "SUCCEEDED", "source": "request"}
    assert value(found, "foretell_predictions_total", **of_the_model, cached="false") == 1
    assert value(found, "foretell_predictions_total", **of_the_model, cached="true") == 2
    assert value(found, "foretell_records_total", model="breast-cancer") == 1
    assert value(found, "foretell_prediction_seconds_count", model="breast-cancer") == 3
    assert value(found, "foretell_prediction_overhead_seconds_count") == 3
    assert value(found, "foretell_graphql_operations_total", type="mutation", code="OK") == 3
    assert value(found, "foretell_graphql_operation_seconds_count", type="mutation") == 3
    assert value(found, "foretell_http_requests_total", route="/graphql", method="POST", code="200") == 3
    assert value(found, "foretell_database_transactions_total") >= 3
    assert value(found, "foretell_executor_plans_total", found="yes") >= 2
    assert value(found, "foretell_database_up") == 1
    assert value(found, "foretell_bus_up") == 1


async def test_items_of_jobs_are_counted_beside_requests(with_models: Settings) -> None:
    async with serving(with_models) as (_, client):
        job = (await ask(client, BATCH, record=RECORD))["submitBatch"]["job"]["id"]
        while (await ask(client, JOB, id=job))["job"]["status"] != "SUCCEEDED":
            pass

        found = await samples(client)

    assert value(found, "foretell_predictions_total", source="job", status="SUCCEEDED") == 2
    assert value(found, "foretell_records_total", model="breast-cancer") == 2
    assert value(found, "foretell_jobs") == 0
    assert value(found, "foretell_job_chunks") == 0


async def test_what_fails_is_counted_by_its_code(settings: Settings) -> None:
    async with serving(settings) as (_, client):
        for document in (
            "{ nothing }",
            "{",
            "{ predictions(first: 999) { totalCount } }",
        ):
            await client.post("/graphql", json={"query": document})
        await client.get("/wp-admin/secret.php")
        await client.request("BREW", "/graphql")

        found = await samples(client)

    failed = {labels["code"] for labels, _ in found["foretell_graphql_operations_total"]}
    assert failed == {"GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED", "BAD_USER_INPUT"}
    assert value(found, "foretell_http_requests_total", route="other", code="404") == 1
    assert value(found, "foretell_http_requests_total", method="other", code="405") == 1


async def test_only_registered_operations_are_named(settings: Settings, tmp_path: Path) -> None:
    registered = "query Known { viewer { displayName } }"
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"known": registered}))
    settings = settings.model_copy(update={"document": DocumentSettings(manifests=(manifest,))})
    async with serving(settings) as (_, client):
        await client.post("/graphql", json={"documentId": "known"})
        await client.post("/graphql", json={"query": registered})
        await client.post("/graphql", json={"query": "query Stranger { viewer { displayName } }"})

        found = await samples(client)

    assert value(found, "foretell_graphql_operations_total", name="Known") == 2
    assert {labels["name"] for labels, _ in found["foretell_graphql_operations_total"]} == {"Known", ""}


async def test_a_token_keeps_others_out(settings: Settings) -> None:
    metrics = MetricsSettings.model_validate({"token": "right"})
    async with serving(settings.model_copy(update={"metrics": metrics})) as (_, client):
        answers = [
            (await client.get("/metrics", headers={"Authorization": given})).status_code
            for given in ("", "Bearer wrong", "right", "Bearer right")
        ]

    assert answers == [401, 401, 401, 200]


async def test_a_database_that_is_away_takes_its_gauges_with_it(settings: Settings) -> None:
    async with serving(settings) as (app, client):
        services: Services = app.state.services
        before = await samples(client)
        async with services.database.write() as connection:
            await connection.execute(text("ALTER TABLE job RENAME TO gone"))
        during = await samples(client)
        async with services.database.write() as connection:
            await connection.execute(text("ALTER TABLE gone RENAME TO job"))
        after = await samples(client)

    assert [value(each, "foretell_database_up") for each in (before, during, after)] == [1, 0, 1]
    assert "foretell_jobs" not in during
    assert "foretell_jobs" in after


async def test_labels_hold_nothing_of_what_callers_send(settings: Settings) -> None:
    marker = "planted-marker"
    async with serving(settings) as (_, client):
        body = {"query": f'query M {{ model(name: "{marker}") {{ id }} }}', "operationName": "M"}
        await client.post("/graphql", json=body, headers={"X-Request-Id": marker})
        await client.get(f"/{marker}")
        await client.get(f"/uploads/{marker}")

        response = await client.get("/metrics")

    assert marker not in response.text
