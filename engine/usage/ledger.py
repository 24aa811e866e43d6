"""Ledger: writes down what every terminal prediction used, and adds it up by the hour.

The ledger row goes with the result into one transaction. Rollups follow within a second: one
transaction reads rows that are in no rollup yet, adds them, and marks them, so that each is added
exactly once whatever dies. Who asks for usage adds the rows that are not folded yet, and so sees all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from db.errors import DatabaseUnavailableError
from db.queries import usage as queries
from db.session import Database
from db.tables import JobRow, PredictionRow, RollupRow, UsageRow
from db.tables.usage import NONE
from engine.usage.sketches import dumps, loads
from engine.values import PredictionStatus

log = logging.getLogger(__name__)

FOLD_AT_ONCE = 5000
FOLD_SECONDS = 1.0

COUNTED = (
    "predictions",
    "failed",
    "cached",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "records",
    "cost_nanos",
    "unpriced",
)


async def record(connection: AsyncConnection, rows: Iterable[PredictionRow]) -> None:
    """Writes the ledger rows of predictions that become terminal in the same transaction."""
    await queries.add(connection, [ledger_row(row) for row in rows])


async def record_items(connection: AsyncConnection, job: JobRow) -> None:
    """Writes the ledger rows of a job's items that were stored in this transaction; `job` is from before."""
    await queries.add_items(connection, job.id, job.sequence)


def ledger_row(row: PredictionRow) -> dict[str, Any]:
    """Returns what a terminal prediction used, as the ledger keeps it."""
    return {
        "prediction_id": row.id,
        "project_id": row.project_id,
        "api_key_id": row.api_key_id,
        "model_id": row.model_id,
        "model_version_id": row.model_version_id,
        "job_id": row.job_id,
        "status": str(row.status),
        "cached": row.cached,
        "finished_at": row.finished_at,
        "input_tokens": row.input_tokens or 0,
        "cached_input_tokens": row.cached_input_tokens or 0,
        "output_tokens": row.output_tokens or 0,
        "records": row.records or 0,
        "cost_nanos": row.cost_nanos,
        "currency": row.currency,
        "total_ms": row.total_ms,
        "time_to_first_token_ms": row.time_to_first_token_ms,
        "folded": False,
    }


class Folding:
    """Adds ledger rows to the rollups, in any number of processes, one at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Folds until it is cancelled."""
        while True:
            try:
                full = await self.fold() == FOLD_AT_ONCE
            except DatabaseUnavailableError as error:
                log.warning("usage was not added up: %s", error)
                full = False
            await asyncio.sleep(0 if full else FOLD_SECONDS)

    async def fold(self) -> int:
        """Adds at most 5,000 rows to their rollups and returns how many there were.

        Raises:
            DatabaseUnavailableError: nothing was added.
        """
        async with self._database.read() as connection:
            if not await queries.unfolded(connection, 1):
                return 0
        async with self._database.write() as connection:
            if not await queries.may_fold(connection):
                return 0
            rows = await queries.unfolded(connection, FOLD_AT_ONCE)
            groups = _grouped(rows)
            known = {_key(rollup): rollup for rollup in await queries.rollups_at(connection, list(groups))}
            new = [added(None, key, group) for key, group in groups.items() if key not in known]
            changed = [added(known[key], key, group) for key, group in groups.items() if key in known]
            await queries.put_rollups(connection, new, changed)
            await queries.mark_folded(connection, [row.prediction_id for row in rows])
        return len(rows)


def added(rollup: RollupRow | None, key: tuple[Any, ...], rows: Sequence[UsageRow]) -> dict[str, Any]:
    """Returns the columns of a rollup with some rows added to it."""
    columns: dict[str, Any] = dict(zip(queries.KEY, key, strict=True))
    columns["model_id"] = rows[0].model_id
    columns |= {name: getattr(rollup, name) if rollup is not None else 0 for name in COUNTED}
    latency = loads(rollup.latency if rollup is not None else b"")
    first_token = loads(rollup.time_to_first_token if rollup is not None else b"")
    for row in rows:
        columns["predictions"] += 1
        columns["failed"] += row.status == PredictionStatus.FAILED
        columns["cached"] += row.cached
        columns["unpriced"] += row.cost_nanos is None
        columns["cost_nanos"] += row.cost_nanos or 0
        for name in ("input_tokens", "cached_input_tokens", "output_tokens", "records"):
            columns[name] += getattr(row, name)
        if row.total_ms is not None:
            latency.add(row.total_ms)
        if row.time_to_first_token_ms is not None:
            first_token.add(row.time_to_first_token_ms)
    return columns | {"latency": dumps(latency), "time_to_first_token": dumps(first_token)}


def hour_of(time: datetime) -> datetime:
    """Returns the start of a time's hour, in UTC."""
    return time.replace(minute=0, second=0, microsecond=0)


def _grouped(rows: Sequence[UsageRow]) -> dict[tuple[Any, ...], list[UsageRow]]:
    groups: dict[tuple[Any, ...], list[UsageRow]] = {}
    for row in rows:
        key = (
            row.project_id,
            hour_of(row.finished_at),
            row.model_version_id,
            row.api_key_id or NONE,
            row.job_id or NONE,
            row.currency or NONE,
        )
        groups.setdefault(key, []).append(row)
    return groups


def _key(rollup: RollupRow) -> tuple[Any, ...]:
    return tuple(getattr(rollup, name) for name in queries.KEY)
