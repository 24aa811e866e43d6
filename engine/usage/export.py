"""Export: the ledger, page by page, in the words of people who settle accounts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from db.queries import usage as queries
from db.session import Database
from engine.ids import global_id
from engine.money import from_nanos
from engine.usage.intervals import whole_hours

PAGE = 5000

COLUMNS: Mapping[str, type] = {
    "prediction_id": str,
    "finished_at": datetime,
    "model": str,
    "version": str,
    "api_key_id": str,
    "job_id": str,
    "status": str,
    "cached": bool,
    "input_tokens": int,
    "cached_input_tokens": int,
    "output_tokens": int,
    "records": int,
    "cost": Decimal,
    "currency": str,
    "latency_ms": float,
    "time_to_first_token_ms": float,
}
"""What a row has, and of which type; ids are as GraphQL has them.

All but the first four, the status and the counts can be None.
"""

Row = dict[str, Any]


async def ledger_pages(
    database: Database, project_id: str, since: datetime, until: datetime
) -> AsyncIterator[list[Row]]:
    """Yields a project's ledger by the time that predictions ended, 5,000 rows at a time.

    Raises:
        InvalidInputError: the range is empty.
    """
    whole_hours(since, until)
    after: tuple[datetime, str] | None = None
    while True:
        async with database.read() as connection:
            rows = await queries.export_page(connection, project_id, since, until, after, PAGE)
        if rows:
            yield [_row(row) for row in rows]
        if len(rows) < PAGE:
            return
        after = rows[-1].finished_at, rows[-1].prediction_id


def _row(row: Any) -> Row:
    told: Row = {
        "prediction_id": global_id("Prediction", row.prediction_id),
        "api_key_id": row.api_key_id and global_id("ApiKey", row.api_key_id),
        "job_id": row.job_id and global_id("Job", row.job_id),
        "cost": None if row.cost_nanos is None else from_nanos(row.cost_nanos),
        "latency_ms": row.total_ms,
    }
    return {name: told[name] if name in told else getattr(row, name) for name in COLUMNS}
