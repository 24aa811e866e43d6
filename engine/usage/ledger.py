"""Ledger: writes down what every terminal prediction used, and adds it up by the hour and by the day.

The ledger row goes with the result into one transaction. Rollups follow within a second: one
transaction reads rows that are in no rollup yet, adds them, and marks them, so that each is added
exactly once whatever dies. Many items of a job are added in the transaction that stores them. Who asks
for usage adds the rows that are not folded yet, and so sees all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from db.errors import DatabaseUnavailableError
from db.queries import usage as queries
from db.session import Database
from db.tables import JobRow, PredictionRow, RollupRow
from db.tables.usage import NONE, daily_rollups, rollups
from engine.usage.sketches import Pooled
from engine.values import AliasPart

log = logging.getLogger(__name__)

Groups = dict[tuple[Any, ...], list[Any]]
"""Sums of ledger rows by the key of the rollup that they belong to."""

FOLD_AT_ONCE = 2000
MANY_ITEMS = 32
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


class Sums(NamedTuple):
    """What some predictions used together that have key and durations in common, as the ledger adds it up."""

    project_id: str
    hour: datetime
    model_version_id: str
    api_key_id: str
    job_id: str
    alias_id: str
    part: str
    currency: str
    total_ms: float | None
    time_to_first_token_ms: float | None
    model_id: str
    predictions: int
    failed: int
    cached: int
    unpriced: int
    cost_nanos: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    records: int


async def record_items(connection: AsyncConnection, job: JobRow, sums: Sequence[Sums]) -> None:
    """Writes the ledger rows of a job's items that were stored in this transaction; `job` is from before.

    `sums` are theirs. Many items are added to the rollups at once: to mark them, find them and mark them
    again would take as long as to store them.
    """
    is_worth_it = sum(each.predictions for each in sums) >= MANY_ITEMS
    folded = is_worth_it and await queries.may_fold_items(connection)
    await queries.add_items(connection, job.id, job.sequence, folded=folded)
    if folded:
        await _add_up(connection, sums)


def ledger_row(row: PredictionRow) -> dict[str, Any]:
    """Returns what a terminal prediction used, as the ledger keeps it."""
    return {
        "prediction_id": row.id,
        "project_id": row.project_id,
        "api_key_id": row.api_key_id,
        "model_id": row.model_id,
        "model_version_id": row.model_version_id,
        "job_id": row.job_id,
        "alias_id": row.alias_id,
        "part": part_of(row),
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


def part_of(row: PredictionRow) -> str:
    """Returns what a prediction was to its alias: ARM, FALLBACK or SHADOW; NONE without an alias."""
    if row.alias_id is None:
        return NONE
    if row.shadow_of is not None:
        return AliasPart.SHADOW
    return AliasPart.ARM if row.asked_version_id is None else AliasPart.FALLBACK


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
        """Adds at most 2,000 rows to their rollups and returns how many there were.

        Raises:
            DatabaseUnavailableError: nothing was added.
        """
        async with self._database.read() as connection:
            if not await queries.has_unfolded(connection):
                return 0
        async with self._database.write(patient=True) as connection:
            if not await queries.may_fold(connection):
                return 0
            sums = await queries.take_unfolded(connection, FOLD_AT_ONCE)
            await _add_up(connection, sums)
        return sum(each.predictions for each in sums)


async def _add_up(connection: AsyncConnection, sums: Sequence[Any]) -> None:
    await _add(connection, rollups, _grouped(sums, hour_of))
    await _add(connection, daily_rollups, _grouped(sums, day_of))


async def _add(connection: AsyncConnection, table: Table, groups: Groups) -> None:
    stored = await queries.rollups_at(connection, table, list(groups))
    known = {tuple(getattr(rollup, name) for name in queries.KEY): rollup for rollup in stored}
    new = [added(None, key, group) for key, group in groups.items() if key not in known]
    changed = [added(known[key], key, group) for key, group in groups.items() if key in known]
    await queries.put_rollups(connection, table, new, changed)


def added(rollup: RollupRow | None, key: tuple[Any, ...], group: Sequence[Any]) -> dict[str, Any]:
    """Returns the columns of a rollup with the sums of some rows added to it."""
    columns: dict[str, Any] = dict(zip(queries.KEY, key, strict=True))
    columns["model_id"] = group[0].model_id
    for name in COUNTED:
        before = getattr(rollup, name) if rollup is not None else 0
        columns[name] = before + sum(getattr(sums, name) for sums in group)
    latency, first_token = Pooled(), Pooled()
    if rollup is not None:
        latency.add_stored(rollup.latency)
        first_token.add_stored(rollup.time_to_first_token)
    for sums in group:
        if sums.total_ms is not None:
            latency.add(sums.total_ms, sums.predictions)
        if sums.time_to_first_token_ms is not None:
            first_token.add(sums.time_to_first_token_ms, sums.predictions)
    return columns | {"latency": latency.dumps(), "time_to_first_token": first_token.dumps()}


def hour_of(time: datetime) -> datetime:
    """Returns the start of a time's hour, in UTC."""
    return time.replace(minute=0, second=0, microsecond=0)


def day_of(time: datetime) -> datetime:
    """Returns the start of a time's day, in UTC."""
    return hour_of(time).replace(hour=0)


def _grouped(found: Sequence[Any], start_of: Callable[[datetime], datetime]) -> Groups:
    groups: Groups = {}
    for sums in found:
        key = (sums.project_id, start_of(sums.hour), *(getattr(sums, name) for name in queries.KEY[2:]))
        groups.setdefault(key, []).append(sums)
    return groups
