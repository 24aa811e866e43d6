"""Predictions that have ended, as the engine stores them: each with its ledger row, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from db.queries.usage_sums import COUNTED, by_source
from db.session import Database
from db.tables import ModelRow, ModelVersionRow, PredictionRow, ProjectRow, RollupRow
from db.tables.base import table_of
from db.tables.predictions import predictions
from db.tables.usage import rollups
from engine.usage import ledger

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass
class Books:
    """A project with a version of a model, and what was used of it."""

    database: Database
    project: ProjectRow
    version: ModelVersionRow

    def used(self, at: datetime = NOON, **columns: Any) -> PredictionRow:
        """Returns a prediction that ended at a time, and cost 1,500 nano dollars."""
        return PredictionRow(
            **{
                "project_id": self.project.id,
                "model_id": self.version.model_id,
                "model_version_id": self.version.id,
                "status": "SUCCEEDED",
                "request_id": "request",
                "finished_at": at,
                "usage_source": "COUNTED",
                "records": 1,
                "cost_nanos": 1_500,
                "currency": "USD",
                "total_ms": 10.0,
                **columns,
            }
        )

    async def book(self, *rows: PredictionRow) -> None:
        """Stores predictions and their ledger rows in one transaction."""
        async with self.database.write() as connection:
            await connection.execute(insert(predictions), [row.model_dump() for row in rows])
            await ledger.record(connection, rows)

    async def rollups(self) -> Sequence[RollupRow]:
        """Reads every rollup, by hour and currency."""
        async with self.database.read() as connection:
            found = await connection.execute(select(rollups).order_by(rollups.c.hour, rollups.c.currency))
            return found.all()  # type: ignore[return-value]

    async def sums(self) -> dict[str, list[dict[str, Any]]]:
        """Adds up every source, by currency; equal books have equal sums."""
        async with self.database.read() as connection:
            rows = await by_source(connection)
        found: dict[str, list[dict[str, Any]]] = {"predictions": [], "ledger": [], "hours": [], "days": []}
        for row in sorted(rows, key=lambda row: (row.project_id, row.currency)):
            counted = {name: int(getattr(row, name)) for name in COUNTED}
            found[row.source].append({"currency": row.currency, **counted})
        return found


async def opened_books(database: Database) -> Books:
    """Stores a project and a version."""
    project = ProjectRow(name="books")
    model = ModelRow(name="told", display_name="told", task="TEXT_GENERATION")
    version = ModelVersionRow(model_id=model.id, version="1", backend="OPENAI")
    async with database.write() as connection:
        for row in (project, model, version):
            await connection.execute(insert(table_of(type(row))).values(row.model_dump()))
    return Books(database, project, version)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)
