"""The whole application without a socket, on a database of the test's own, asked in GraphQL over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
from asgi_lifespan import LifespanManager
from sqlalchemy import insert
from sqlmodel import SQLModel

from db.session import Database
from db.tables import ModelRow, ModelVersionRow, PredictionRow, PriceRow
from db.tables.base import table_of
from db.types import created_at, new_id
from engine.keys import Keys
from engine.values import Scope, Viewer
from foretell.app import create_app
from foretell.settings import DocumentSettings, Settings
from foretell.tiers import TierSettings
from resolvers.context import Services

ROOMY = DocumentSettings(
    max_bytes=10**6, max_tokens=10**5, max_depth=30, max_fields=10**5, max_aliases=10**5, max_cost=10**9
)
"""Limits that no test's document reaches; those of the limits have their own."""
ENOUGH = 10**9
TIERS = {
    "roomy": TierSettings(
        requests_per_minute=ENOUGH,
        query_cost_per_minute=ENOUGH,
        tokens_per_minute=ENOUGH,
        concurrent_predictions=ENOUGH,
        key_share=0.5,
    )
}
"""The same for the limits of a project."""

_recording: ContextVar[list[str] | None] = ContextVar("recording", default=None)


@dataclass(frozen=True)
class Caller:
    """A key of a project, with what it may do."""

    project_id: str
    key_id: str
    secret: str


@dataclass
class Graph:
    """Asks the application, and fills its database."""

    database: Database
    services: Services
    client: httpx.AsyncClient

    async def caller(self, project: str = "ours", scopes: Sequence[Scope] = tuple(Scope)) -> Caller:
        """Makes a project with a key."""
        row = await Keys(self.database).create_project(project, "roomy")
        return await self.colleague(row.id, scopes)

    async def colleague(
        self, project_id: str, scopes: Sequence[Scope] = tuple(Scope), models: Sequence[str] | None = None
    ) -> Caller:
        """Makes another key of a project, for some models only if they are given by their ids."""
        key, secret = await Keys(self.database).create(project_id, "key", scopes, models=models)
        viewer = Viewer(project_id, key.id, key.name, frozenset(scopes))
        await self.services.limits.standing(viewer)  # read once, and then known: no test counts it
        return Caller(project_id, key.id, secret)

    async def answer(self, caller: Caller, document: str, **variables: Any) -> dict[str, Any]:
        """Returns the whole response, with `errors` if there are any."""
        response = await self.client.post(
            "/graphql",
            json={"query": document, "variables": variables},
            headers={"Authorization": f"Bearer {caller.secret}"},
        )
        return response.json()  # type: ignore[no-any-return]

    async def data(self, caller: Caller, document: str, **variables: Any) -> Any:
        """Returns the data of a response without errors."""
        answer = await self.answer(caller, document, **variables)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def codes(self, caller: Caller, document: str, **variables: Any) -> list[str]:
        """Returns the codes of a response's errors."""
        answer = await self.answer(caller, document, **variables)
        return [error["extensions"]["code"] for error in answer.get("errors", [])]

    async def add(self, *rows: SQLModel) -> None:
        """Stores rows as they are, those of a class together."""
        async with self.database.write() as connection:
            for kind in dict.fromkeys(type(row) for row in rows):
                values = [row.model_dump() for row in rows if type(row) is kind]
                await connection.execute(insert(table_of(kind)), values)
        await self.services.registry.refresh()

    @contextmanager
    def statements(self) -> Iterator[list[str]]:
        """Lends a list of the statements that requests made in this block cause, and nothing else does."""
        found: list[str] = []
        token = _recording.set(found)
        try:
            yield found
        finally:
            _recording.reset(token)


@asynccontextmanager
async def opened_graph(database: Database, url: str, **settings: Any) -> AsyncIterator[Graph]:
    """Yields the application, run on a database that is there already."""
    app = create_app(
        Settings(
            **{"database_url": url, "embedded_models": False, "document": ROOMY, "tiers": TIERS, **settings}
        )
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        LifespanManager(app, startup_timeout=30, shutdown_timeout=30),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        services: Services = app.state.services
        with services.database.watched(_record):
            yield Graph(database, services, client)


def _record(statement: str) -> None:
    if (found := _recording.get()) is not None:
        found.append(statement)


def model(name: str, **columns: Any) -> ModelRow:
    """Returns a model's row, the operator's if no project is given."""
    return ModelRow(
        **{"name": name, "display_name": name, "task": "TABULAR_REGRESSION", "status": "READY", **columns}
    )


def version(of: ModelRow, number: int = 1, **columns: Any) -> ModelVersionRow:
    """Returns the row of a version that takes and gives a tensor."""
    spec = {"name": "x", "datatype": "FP32", "shape": [-1, 1]}
    return ModelVersionRow(
        **{
            "model_id": of.id,
            "version": str(number),
            "status": "READY",
            "backend": "ONNX",
            "inputs": [spec],
            "outputs": [spec],
            "input_schema": {"type": "object"},
            **columns,
        }
    )


def price(of: ModelVersionRow) -> PriceRow:
    """Returns the row of a price."""
    return PriceRow(model_version_id=of.id, nanos_per_prediction=1_500)


def prediction(
    caller: Caller, of: ModelVersionRow, *, at: datetime | None = None, **columns: Any
) -> PredictionRow:
    """Returns the row of a prediction that succeeded, or of one accepted at a time, in whatever state."""
    row_id = new_id() if at is None else id_at(at)
    accepted = created_at(row_id)
    return PredictionRow(
        **{
            "id": row_id,
            "project_id": caller.project_id,
            "api_key_id": caller.key_id,
            "model_id": of.model_id,
            "model_version_id": of.id,
            "status": "SUCCEEDED",
            "request_id": "request",
            "created_at": accepted,
            "started_at": accepted,
            "finished_at": accepted + timedelta(milliseconds=5),
            "usage_source": "COUNTED",
            "records": 1,
            "cost_nanos": 1_500,
            "currency": "USD",
            "queue_ms": 1.0,
            "inference_ms": 2.0,
            "total_ms": 4.0,
            "attempts": 1,
            "explain": "OCCLUSION",
            "explanation": {
                "method": "OCCLUSION",
                "baseline": 1.0,
                "records": [{"attributions": [{"feature": "x", "value": 0.5, "featureValue": 1}]}],
            },
            "input": {"records": [{"x": 1}]},
            "output": {"results": [{"value": 1.0}]},
            **columns,
        }
    )


def id_at(time: datetime) -> str:
    """Returns an id as one made at a time would be."""
    milliseconds = int(time.timestamp() * 1000)
    return f"{milliseconds:012x}{new_id()[12:]}"
