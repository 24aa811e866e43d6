"""Tenants: projects with something of every kind, marked in every text, so that what crosses is seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from db.tables import AuditRow, JobRow, ModelAliasRow, ModelRow, ModelVersionRow, WebhookDeliveryRow
from db.types import now
from engine.usage import ledger
from engine.usage.ledger import Folding
from schema.nodes import global_id
from tests.schema.graph import Caller, Graph, model, prediction, price, version

UNSERVED = "RETIRED"
"""So that nobody tries to load what has no file, and notes that it can not."""


@dataclass(frozen=True)
class Tenant:
    """A project: its key, the mark in all its texts, and the global ids of all that it has, by type."""

    caller: Caller
    mark: str
    ids: dict[str, str]


@dataclass(frozen=True)
class Shared:
    """A model of the operator's, which every project sees."""

    model: ModelRow
    version: ModelVersionRow


async def shared_model(graph: Graph) -> Shared:
    """Stores a model for all."""
    its_model = model("shared")
    its_version = version(its_model, status=UNSERVED)
    its_model.default_version_id = its_version.id
    await graph.add(its_model)
    await graph.add(its_version)
    await graph.add(price(its_version))
    return Shared(its_model, its_version)


async def tenant(graph: Graph, mark: str, shared: Shared) -> Tenant:
    """Stores a project with a model of its own, and what was made with that and with the shared one."""
    caller = await graph.caller(mark)
    own = model(
        f"{mark}-model", project_id=caller.project_id, description=mark, tags=[mark], display_name=mark
    )
    its_version = version(own, status=UNSERVED, status_reason=mark, input_schema={"title": mark})
    own.default_version_id = its_version.id
    job = _job(caller, its_version, mark)
    marked = _marks(mark)
    made = [
        prediction(
            caller, its_version, job_id=job.id, item_index=0, job_sequence=1, custom_id=mark, **marked
        ),
        prediction(caller, shared.version, **marked),
    ]
    pointing: dict[str, Any] = {"targets": [{"version_id": shared.version.id, "weight": 1}]}
    alias = ModelAliasRow(model_id=shared.model.id, project_id=caller.project_id, name=mark, **pointing)
    delivery = _delivery(caller, job, mark)
    change = AuditRow(
        project_id=caller.project_id, actor=mark, action=mark, subject=mark, details={mark: mark}
    )
    await graph.add(own)
    await graph.add(its_version)
    await graph.add(price(its_version), alias, job, change)
    await graph.add(*made, delivery)
    async with graph.database.write() as connection:
        await ledger.record(connection, made)
    await Folding(graph.database).fold()
    ids = {
        "Model": own.id,
        "ModelVersion": its_version.id,
        "Prediction": made[0].id,
        "Job": job.id,
        "WebhookDelivery": delivery.id,
        "AuditEvent": change.id,
        "ApiKey": caller.key_id,
        "Viewer": caller.key_id,
        "Project": caller.project_id,
    }
    return Tenant(caller, mark, {name: str(global_id(name, row_id)) for name, row_id in ids.items()})


def _marks(mark: str) -> dict[str, Any]:
    return {
        "request_id": mark,
        "meta": {mark: mark},
        "input": {"records": [{mark: mark}]},
        "output": {"results": [{"label": mark}]},
        "error": {"code": "MODEL_ERROR", "message": mark, "retryable": False, "retryAfterSeconds": None},
        "explanation": {
            "method": "OCCLUSION",
            "baseline": 1,
            "records": [{"attributions": [{"feature": mark, "value": 1, "featureValue": mark}]}],
        },
    }


def _job(caller: Caller, of: ModelVersionRow, mark: str) -> JobRow:
    return JobRow(
        project_id=caller.project_id,
        api_key_id=caller.key_id,
        model_id=of.model_id,
        model_version_id=of.id,
        request_id=mark,
        name=mark,
        status="PAUSED",
        status_reason=mark,
        meta={mark: mark},
        source="",
        total=2,
        succeeded=1,
        open_chunks=1,
        sequence=1,
        deadline_at=now() + timedelta(days=1),
    )


def _delivery(caller: Caller, job: JobRow, mark: str) -> WebhookDeliveryRow:
    return WebhookDeliveryRow(
        project_id=caller.project_id,
        event="job.succeeded",
        url=f"https://example.org/{mark}",
        host="example.org",
        payload={mark: mark},
        job_id=job.id,
        last_error=mark,
        next_attempt_at=now() + timedelta(days=1),
    )
