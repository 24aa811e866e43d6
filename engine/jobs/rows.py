"""Rows: items that have ended, as the values the database keeps.

Building these takes a third of the time of an item on the fastest models, so it is done once for each
chunk, in a thread, and without a row object.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

import orjson

from db.queries.items import ITEM_COLUMNS
from db.tables import JobRow
from db.types import epoch_ms
from engine.catalog import CatalogVersion
from engine.jobs.chunk import Chunk, Ended
from engine.money import Cost, cost_of, price_at
from engine.observer import Tally
from engine.outcome import error_json
from engine.values import Usage

Row = tuple[Any, ...]

STATUS = ITEM_COLUMNS.index("status")
TALLIED = slice(ITEM_COLUMNS.index("model_version_id"), ITEM_COLUMNS.index("currency") + 1)


def common_columns(chunk: Chunk) -> dict[str, Any]:
    """Returns the columns that the rows of a chunk have in common."""
    job = chunk.job
    started = epoch_ms(chunk.started_at)
    return {
        "project_id": job.project_id,
        "api_key_id": job.api_key_id,
        "model_id": job.model_id,
        "alias_id": job.alias_id,
        "request_id": job.request_id,
        "job_id": job.id,
        "explain": job.explain,
        "created_at": started,
        "started_at": started,
        "cached": False,
        "cancel_requested": False,
        "is_replaced": False,
    }


def item_rows(chunk: Chunk) -> list[Row]:
    """Returns the values of `ITEM_COLUMNS` for each item that has ended, numbered from 1.

    The chunk forgets them: to let go of thousands of small objects takes a while, which is spent here and
    not on the event loop.
    """
    started = epoch_ms(chunk.started_at)
    answerers = {version.row.id: _Answerer(version, chunk.job) for version in chunk.route.versions}
    ended, chunk.ended = chunk.ended, []
    rows = []
    for number, each in enumerate(ended, 1):
        served = each.running.served or chunk.served
        rows.append(_row(number, each, started, answerers[served.version.row.id]))
    return rows


def _row(number: int, ended: Ended, started: int, answerer: _Answerer) -> Row:
    running, outcome = ended.running, ended.outcome
    finished = epoch_ms(ended.ended_at)
    first_token = outcome.first_token
    return (
        running.id,
        number,
        running.place,
        running.item.custom_id,
        running.tries + running.others,
        finished,
        answerer.asked_version_id,
        answerer.version_id,
        outcome.status.value,
        *(NOTHING_USED if outcome.usage is None else answerer.columns(outcome.usage, ended.ended_at)),
        outcome.inference_ms,
        None if first_token is None else (first_token - outcome.started) * 1000,
        float(max(0, finished - started)),  # the clock may have been set back
        None if outcome.error is None else _json(error_json(outcome.error)),
        _json(outcome.explanation),
        _json(running.item.data.value),
        _json(outcome.output),
    )


class _Answerer:
    """What the rows have in common that one version answered; most items of a chunk used the same."""

    def __init__(self, version: CatalogVersion, job: JobRow) -> None:
        self.version_id = version.row.id
        self.asked_version_id = None if self.version_id == job.model_version_id else job.model_version_id
        self._prices = version.prices
        self._known: dict[Usage, Row] = {}

    def columns(self, usage: Usage, at: datetime) -> Row:
        """Returns `usage_source` to `currency`, in the order of the table."""
        found = self._known.get(usage)
        if found is None:
            found = self._known[usage] = _usage_columns(usage, cost_of(price_at(self._prices, at), usage))
        return found


NOTHING_USED: Row = (None,) * 7


def _usage_columns(usage: Usage, cost: Cost | None) -> Row:
    return (
        usage.source.value,
        usage.input_tokens,
        usage.cached_input_tokens,
        usage.output_tokens,
        usage.records,
        None if cost is None else cost.nanos,
        None if cost is None else cost.currency,
    )


def tallies(chunk: Chunk, rows: Sequence[Row]) -> dict[str, Tally]:
    """Returns the sum over the rows of a chunk that each version answered, by its name."""
    names = {version.row.id: version.spec.name for version in chunk.route.versions}
    found: dict[str, Tally] = {}
    # Nearly all rows of a chunk are the same in this.
    for tallied, count in Counter(map(itemgetter(TALLIED), rows)).items():
        version_id, status, _, given, cached, written, records, nanos, currency = tallied
        tally = found.setdefault(names[version_id], Tally())
        tally.statuses[status] += count
        tally.records += count * (records or 0)
        tally.input_tokens += count * (given or 0)
        tally.cached_input_tokens += count * (cached or 0)
        tally.output_tokens += count * (written or 0)
        if nanos:
            tally.cost_nanos[currency] += count * nanos
    return found


def cost_of_rows(chunk: Chunk, rows: Sequence[Row]) -> Cost | None:
    """Returns what the rows of a chunk cost together; None where it is not known of any."""
    costs = Counter[str]()
    for tally in tallies(chunk, rows).values():
        costs.update(tally.cost_nanos)
    return next((Cost(nanos, currency) for currency, nanos in costs.items()), None)


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()
