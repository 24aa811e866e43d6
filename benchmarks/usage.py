"""A 30-day usage query answered from rollups, against the same question asked of the ledger's own rows.

    python -m benchmarks.usage [--rows 1000000] [--url sqlite+aiosqlite:///…]

Prints, for each question, the median of some runs and how many rows it read. Nothing is extrapolated.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select, text

from benchmarks.harness.rounds import table
from db.filters import UsageFilter
from db.migrate import upgrade
from db.queries import usage_sums
from db.queries.usage import TOKENS
from db.session import Database
from db.tables import ModelRow, ModelVersionRow, ProjectRow
from db.tables.base import table_of
from db.tables.usage import daily_rollups, rollups, usage
from db.types import new_id
from engine.usage.intervals import DAY, spans
from engine.usage.ledger import Folding
from engine.usage.totals import Durations, Totals, buckets_of
from engine.values import UsageInterval

DAYS = 30
END = datetime(2026, 11, 1, tzinfo=UTC)
START = END - timedelta(days=DAYS)
VERSIONS, KEYS = 3, 5
BATCH = 5000
RUNS = 7
SEED = 20261120

Work = Callable[[], Awaitable[Any]]


async def fill(database: Database, count: int) -> str:
    """Stores a project with predictions spread over 30 days, versions and keys, and folds them."""
    project = ProjectRow(name="benchmark")
    model = ModelRow(name="benchmark", display_name="benchmark", task="TEXT_GENERATION")
    versions = [ModelVersionRow(model_id=model.id, version=str(n), backend="OPENAI") for n in range(VERSIONS)]
    keys = [new_id() for _ in range(KEYS)]
    async with database.write() as connection:
        for row in (project, model, *versions):
            await connection.execute(insert(table_of(type(row))).values(row.model_dump()))
    source, folding = random.Random(SEED), Folding(database)
    for first in range(0, count, BATCH):
        rows = [
            ledger_row(source, project.id, source.choice(versions), source.choice(keys), number / count)
            for number in range(first, min(first + BATCH, count))
        ]
        async with database.write() as connection:
            await connection.execute(insert(usage), rows)
        await folding.fold()
    return project.id


def ledger_row(
    source: random.Random, project_id: str, version: ModelVersionRow, key_id: str, place: float
) -> dict[str, Any]:
    failed = source.random() < 0.01
    return {
        "prediction_id": new_id(),
        "project_id": project_id,
        "api_key_id": key_id,
        "model_id": version.model_id,
        "model_version_id": version.id,
        "job_id": None,
        "status": "FAILED" if failed else "SUCCEEDED",
        "cached": False,
        "finished_at": START + (END - START) * place,
        "input_tokens": source.randrange(2000),
        "cached_input_tokens": 0,
        "output_tokens": source.randrange(500),
        "records": 0,
        "cost_nanos": None if failed else source.randrange(10**7),
        "currency": None if failed else "USD",
        "total_ms": source.lognormvariate(6, 1),
        "time_to_first_token_ms": source.lognormvariate(4, 0.5),
        "folded": False,
    }


def from_rollups(database: Database, project_id: str) -> Work:
    """The daily sums and totals, as `Query.usage` reads them."""
    wanted = UsageFilter(START, END)

    async def work() -> Totals:
        async with database.read() as connection:
            rows = await usage_sums.sums(connection, project_id, wanted, (), DAY, 10**6)
        buckets_of(rows, (), spans(UsageInterval.DAY, START, END), DAY)
        totals = Totals()
        for row in rows:
            totals.add(row)
        return totals

    return work


def percentiles_from_rollups(database: Database, project_id: str) -> Work:
    """The percentiles of every day and of all of them."""
    wanted = UsageFilter(START, END)

    async def work() -> float | None:
        async with database.read() as connection:
            rows = await usage_sums.sketches(connection, project_id, wanted, (), DAY)
        days: dict[int, Durations] = {}
        for row in rows:
            days.setdefault(row.slot, Durations()).add(row)
        everything = Durations()
        for day in days.values():
            day.latency.quantiles(0.5, 0.95, 0.99)
            everything.include(day)
        return everything.latency.quantiles(0.5, 0.95, 0.99)[1]

    return work


def from_rows(database: Database, project_id: str) -> Work:
    """The same daily sums from the ledger."""
    slot = usage_sums.slot_of(usage.c.finished_at, DAY).label("slot")
    summed = [
        func.count(),
        func.sum(usage_sums.one_where(usage.c.status == "FAILED")),
        func.sum(usage_sums.one_where(usage.c.cached.is_(True))),
        *(func.sum(usage.c[name]) for name in TOKENS),
        func.sum(usage.c.cost_nanos),
        func.sum(usage_sums.one_where(usage.c.cost_nanos.is_(None))),
    ]
    statement = select(slot, usage.c.currency, *summed).where(*_mine(project_id))
    return _runs(database, statement.group_by(slot, usage.c.currency))


def percentiles_from_rows(database: Database, project_id: str) -> Work:
    """The same percentiles: every duration, sorted by day."""
    slot = usage_sums.slot_of(usage.c.finished_at, DAY).label("slot")
    statement = select(slot, usage.c.total_ms).where(*_mine(project_id))
    run = _runs(database, statement.order_by(slot, usage.c.total_ms))

    async def work() -> float:
        durations = sorted(row.total_ms for row in await run())
        return float(durations[int(0.95 * (len(durations) - 1))])

    return work


def _mine(project_id: str) -> tuple[Any, ...]:
    return usage.c.project_id == project_id, usage.c.finished_at >= START, usage.c.finished_at < END


def _runs(database: Database, statement: Any) -> Callable[[], Awaitable[Sequence[Any]]]:
    async def work() -> Sequence[Any]:
        async with database.read() as connection:
            return (await connection.execute(statement)).all()

    return work


async def median_ms(work: Work, runs: int) -> float:
    """The median of some runs after one that warms up."""
    await work()
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        await work()
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken)


async def main(url: str, count: int) -> None:
    database = Database(url, synchronous="NORMAL")
    await upgrade(database)
    start = time.perf_counter()
    project_id = await fill(database, count)
    async with database.write() as connection:
        await connection.execute(text("ANALYZE"))
    async with database.read() as connection:
        rollup_rows = (await connection.execute(select(func.count()).select_from(rollups))).scalar_one()
    async with database.read() as connection:
        days = (await connection.execute(select(func.count()).select_from(daily_rollups))).scalar_one()
    took = time.perf_counter() - start
    print(
        f"{count:,} ledger rows; rollups: {rollup_rows:,} of hours, {days:,} of days; made in {took:,.0f} s\n"
    )
    questions = (
        ("sums of every day", from_rollups(database, project_id), from_rows(database, project_id)),
        (
            "percentiles of every day",
            percentiles_from_rollups(database, project_id),
            percentiles_from_rows(database, project_id),
        ),
    )
    shown = []
    for name, quick, slow in questions:
        ours, theirs = await median_ms(quick, RUNS), await median_ms(slow, 3)
        shown.append([name, f"{ours:,.1f} ms", f"{theirs:,.1f} ms", f"{theirs / ours:,.0f}"])
    print(table(["", "from rollups", "from the ledger's rows", "times"], shown))
    totals = await from_rollups(database, project_id)()
    assert totals.predictions == count
    await database.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--url", help="an empty database; a temporary SQLite file if left out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(arguments.url or f"sqlite+aiosqlite:///{Path(folder)}/usage.db", arguments.rows))
