"""A database in which every field of the schema has something to tell, many times over."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from db.tables import (
    AliasChangeRow,
    ApiKeyRow,
    AuditRow,
    BudgetRow,
    JobRow,
    ModelAliasRow,
    ModelVersionRow,
    PredictionRow,
    WebhookDeliveryRow,
)
from db.types import now
from engine.routing.base import Opened
from engine.usage import ledger
from engine.usage.ledger import Folding
from engine.values import Scope
from schema.nodes import global_id
from tests.schema.graph import Caller, Graph, model, prediction, price, version

PARENTS = 40
START = datetime(2026, 11, 1, tzinfo=UTC)

TENSORS = {
    "tensors": [
        {"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [[1.0]]},
        {"name": "y", "datatype": "FP32", "shape": [1, 1], "base64": "AACAPw=="},
    ]
}
MESSAGES = [{"role": "USER", "content": "Tell me."}]
CLASSES = [{"label": "a", "probability": 0.75}, {"label": "b", "probability": 0.25}]
ERROR = {"code": "CONTENT_FILTERED", "message": "Cut.", "retryable": True, "retryAfterSeconds": 1.5}
SHAPES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"records": [{"x": 1}]},
        {"results": [{"value": 1.0}, {"label": "a", "score": 0.75, "probabilities": CLASSES}]},
    ),
    (TENSORS, TENSORS),
    (
        {"prompt": "Once", "parameters": {"seed": 1}},
        {"text": " more", "finishReason": "CONTENT_FILTER", "lastSequence": 2},
    ),
    (
        {"messages": MESSAGES, "parameters": {}},
        {"text": "So", "finishReason": "CONTENT_FILTER", "lastSequence": 2},
    ),
    ({"texts": ["a"]}, {"dimensions": 2, "embeddings": [[0.5, 0.25]]}),
]
"""What is stored of an input and an output, in turn."""


async def peopled(graph: Graph, caller: Caller) -> dict[str, list[str]]:
    """Stores forty of every node, each linked to others of its own, and returns their global ids by type.

    Of the project and of the viewer there is one for every caller; it stands there forty times.
    """
    numbers = range(PARENTS)
    keys = [_key(caller, number) for number in numbers]
    models = [model(f"m-{number}", description="About it.", tags=["new"]) for number in numbers]
    versions = [version(each, max_batch_size=8, status_reason="Warm.", retired_at=now()) for each in models]
    jobs = [_job(caller, *pair, number) for number, pair in enumerate(zip(keys, versions, strict=True))]
    predictions = [_item(caller, keys[number], versions[number], jobs[number], number) for number in numbers]
    for its_model, its_version in zip(models, versions, strict=True):
        its_model.default_version_id = its_version.id
    for key, its_model in zip(keys, models, strict=True):
        key.models = [its_model.id]
    changes = [_change(caller, key) for key in keys]
    aliases = [_alias(caller, its_version) for its_version in versions]
    moves = [_move(*pair) for pair in zip(aliases, keys, strict=True)]
    for its_prediction, its_alias in zip(predictions, aliases, strict=True):
        its_prediction.alias_id = its_alias.id
    # Lists leave shadows out, so what is asked for by its id is a shadow, and has one: one row can be both.
    shadows = [_item(caller, keys[number], versions[number], jobs[number], number) for number in numbers]
    for its_shadow, its_prediction in zip(shadows, predictions, strict=True):
        its_shadow.alias_id, its_shadow.shadow_of = its_prediction.alias_id, its_prediction.id
        its_shadow.item_index, its_shadow.job_sequence = 1, 2
    gone = _alias(caller, versions[0], name="gone", deleted_at=now())
    shadows[0].alias_id = gone.id
    others = [
        prediction(caller, of, shadow_of=its_shadow.id)
        for of, its_shadow in zip(versions, shadows, strict=True)
    ]
    models[0].deleted_at = now()
    deliveries = [_delivery(caller, *pair) for pair in zip(jobs, shadows, strict=True)]
    await graph.add(*keys, *models, *changes)
    await graph.add(*versions, *_budgets(caller, keys))
    await graph.add(*map(_price, versions), *jobs, *aliases, gone)
    await graph.add(*moves, _move(gone, keys[0]))
    for its_version in versions:
        await graph.services.router.circuits.board.put(its_version.id, Opened(time.time() + 3600, 60))
    await graph.add(*predictions, *shadows, *others, *deliveries)
    await _book(graph, predictions)
    return {
        "ApiKey": [global_id("ApiKey", row.id) for row in keys],
        "AuditEvent": [global_id("AuditEvent", row.id) for row in changes],
        "Job": [global_id("Job", row.id) for row in jobs],
        "Model": [global_id("Model", row.id) for row in models],
        "ModelVersion": [global_id("ModelVersion", row.id) for row in versions],
        "Prediction": [global_id("Prediction", row.id) for row in shadows],
        "Project": [global_id("Project", caller.project_id)] * PARENTS,
        "Viewer": [global_id("Viewer", caller.key_id)] * PARENTS,
        "WebhookDelivery": [global_id("WebhookDelivery", row.id) for row in deliveries],
    }


def _alias(caller: Caller, of: ModelVersionRow, name: str = "production", **more: Any) -> ModelAliasRow:
    return ModelAliasRow(
        model_id=of.model_id,
        project_id=caller.project_id,
        name=name,
        targets=[{"version_id": of.id, "weight": 2}],
        shadow={"version_id": of.id, "sample_rate": 0.5},
        fallbacks=[of.id],
        **more,
    )


def _move(alias: ModelAliasRow, key: ApiKeyRow) -> AliasChangeRow:
    return AliasChangeRow(
        alias_id=alias.id,
        revision=alias.revision,
        targets=alias.targets,
        shadow=alias.shadow,
        fallbacks=alias.fallbacks,
        api_key_id=key.id,
    )


async def _book(graph: Graph, predictions: list[PredictionRow]) -> None:
    async with graph.database.write() as connection:
        await ledger.record(connection, predictions)
    await Folding(graph.database).fold()


def _key(caller: Caller, number: int) -> ApiKeyRow:
    return ApiKeyRow(
        project_id=caller.project_id,
        name=f"key {number}",
        prefix=f"fk_{number}",
        secret_hash=b"",
        scopes=list(Scope),
        last_used_at=now(),
        expires_at=now(),
        revoked_at=now(),
        rotated_at=now(),
    )


def _change(caller: Caller, key: ApiKeyRow) -> AuditRow:
    return AuditRow(
        project_id=caller.project_id,
        actor=f"key {key.name}",
        actor_id=key.id,
        action="api_key.created",
        subject=key.name,
        subject_id=global_id("ApiKey", key.id),
        request_id="request",
        details={"scopes": key.scopes},
    )


def _budgets(caller: Caller, keys: list[ApiKeyRow]) -> list[BudgetRow]:
    """Returns a budget of each key, and one of the viewer's."""
    return [
        BudgetRow(
            project_id=caller.project_id,
            holder_id=key_id,
            api_key_id=key_id,
            period="DAY",
            currency="USD",
            limit_nanos=10**9,
        )
        for key_id in (caller.key_id, *(key.id for key in keys))
    ]


def _price(of: ModelVersionRow) -> Any:
    row = price(of)
    row.input_nanos_per_million = row.cached_input_nanos_per_million = row.output_nanos_per_million = 5
    return row


def _job(caller: Caller, key: ApiKeyRow, of: ModelVersionRow, number: int) -> JobRow:
    """Returns a job with the columns of one that runs and of one that has ended, so that no field is null."""
    return JobRow(
        project_id=caller.project_id,
        api_key_id=key.id,
        model_id=of.model_id,
        model_version_id=of.id,
        request_id="request",
        name=f"job {number}",
        status="RUNNING",
        status_reason="Slowly.",
        meta={"number": number},
        source="source",
        total=2,
        succeeded=1,
        open_chunks=1,
        sequence=1,
        rate=1.0,
        started_at=START,
        finished_at=START + timedelta(hours=1),
        deadline_at=now() + timedelta(days=1),
    )


def _item(caller: Caller, key: ApiKeyRow, of: ModelVersionRow, job: JobRow, number: int) -> PredictionRow:
    """Returns the item of a job that failed half-way, so that it has both an output and an error."""
    given, answered = SHAPES[number % len(SHAPES)]
    return prediction(
        caller,
        of,
        at=START + timedelta(minutes=number),
        status="FAILED",
        api_key_id=key.id,
        job_id=job.id,
        item_index=0,
        job_sequence=1,
        custom_id=f"item {number}",
        meta={"number": number},
        error=ERROR,
        input=given,
        output=answered,
        input_tokens=3,
        cached_input_tokens=1,
        output_tokens=2,
        time_to_first_token_ms=1.5,
        currency="USD" if number else "EUR",
    )


def _delivery(caller: Caller, job: JobRow, prediction: PredictionRow) -> WebhookDeliveryRow:
    return WebhookDeliveryRow(
        project_id=caller.project_id,
        event="job.succeeded",
        url="https://example.org/hook",
        host="example.org",
        payload={},
        job_id=job.id,
        prediction_id=prediction.id,
        last_status_code=500,
        last_error="It said no.",
        next_attempt_at=now() + timedelta(days=1),
        delivered_at=now(),
    )
