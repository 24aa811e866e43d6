"""Verification: what predictions say was used, what the ledger says, and what the rollups add up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from db.queries import usage_sums as queries
from db.session import Database

SOURCES = ("predictions", "ledger", "hours", "days")


@dataclass(frozen=True, slots=True)
class Difference:
    """A sum of a project in a currency (empty: without a price) that is not the same in every source."""

    project_id: str
    currency: str
    what: str
    predictions: int
    ledger: int
    hours: int
    days: int


async def differences(database: Database) -> list[Difference]:
    """Compares every sum at one moment, whatever runs meanwhile; returns those that differ."""
    async with database.read() as connection:
        rows = await queries.by_source(connection)
    found: dict[tuple[str, str], dict[str, Mapping[str, int]]] = {}
    for row in rows:
        sums = {name: int(getattr(row, name)) for name in queries.COUNTED}
        found.setdefault((row.project_id, row.currency), {})[row.source] = sums
    return [
        Difference(project_id, currency, what, *values)
        for (project_id, currency), sources in sorted(found.items())
        for what in queries.COUNTED
        if len(set(values := [sources.get(source, {}).get(what, 0) for source in SOURCES])) > 1
    ]
