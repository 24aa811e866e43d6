"""Rows: items that have ended, as the values the database keeps.

Building these takes a third of the time of an item on the fastest models, so it is done once for each
chunk, in a thread, and without a row object: `columns` of a prediction are filled in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from db.queries.chunks import ITEM_COLUMNS
from db.types import epoch_ms
from engine.catalog import CatalogVersion
from engine.jobs.chunk import Chunk, Ended
from engine.money import Cost, cost_of, price_at
from engine.observer import Tally
from engine.outcome import error_json
from engine.values import Usage

Row = list[Any]

_AT = {name: place for place, name in enumerate(ITEM_COLUMNS)}
SEQUENCE = _AT["job_sequence"]


def item_rows(chunk: Chunk) -> list[Row]:
    """Returns the values of `ITEM_COLUMNS` for each item that has ended; `job_sequence` is left out."""
    template, job_version = _template(chunk), chunk.job.model_version_id
    costs: dict[str, _Costs] = {}
    rows = []
    for ended in chunk.ended:
        version = (ended.running.served or chunk.served).version
        if version.row.id not in costs:
            costs[version.row.id] = _Costs(version)
        row = _row(template, ended, costs[version.row.id])
        row[_VERSION] = version.row.id
        row[_ASKED] = job_version if version.row.id != job_version else None
        rows.append(row)
    return rows


def _template(chunk: Chunk) -> Row:
    """Returns what all rows of a chunk have in common."""
    job = chunk.job
    row: Row = [None] * len(ITEM_COLUMNS)
    common = {
        "project_id": job.project_id,
        "api_key_id": job.api_key_id,
        "model_id": job.model_id,
        "alias_id": job.alias_id,
        "request_id": job.request_id,
        "job_id": job.id,
        "explain": job.explain,
        "cached": False,
        "cancel_requested": False,
        "is_replaced": False,
    }
    for name, value in common.items():
        row[_AT[name]] = value
    return row


def _row(template: Row, ended: Ended, costs: _Costs) -> Row:
    running, outcome = ended.running, ended.outcome
    row = template.copy()
    started, finished = epoch_ms(running.started_at), epoch_ms(ended.ended_at)
    row[_ID], row[_ITEM], row[_CUSTOM] = running.id, running.place, running.item.custom_id
    row[_STATUS], row[_ATTEMPTS] = outcome.status.value, running.tries + running.others
    row[_CREATED], row[_STARTED], row[_FINISHED] = started, started, finished
    row[_INFERENCE], row[_TOTAL] = outcome.inference_ms, float(finished - started)
    row[_INPUT], row[_OUTPUT] = _json(running.item.data.value), _json(outcome.output)
    if outcome.first_token is not None:
        row[_FIRST_TOKEN] = (outcome.first_token - outcome.started) * 1000
    if outcome.error is not None:
        row[_ERROR] = _json(error_json(outcome.error))
    if outcome.explanation is not None:
        row[_EXPLANATION] = _json(outcome.explanation)
    if outcome.usage is not None:
        row[_USAGE] = costs.columns(outcome.usage, ended.ended_at)
    return row


_ID, _ITEM, _CUSTOM = _AT["id"], _AT["item_index"], _AT["custom_id"]
_STATUS, _ATTEMPTS = _AT["status"], _AT["attempts"]
_CREATED, _STARTED, _FINISHED = _AT["created_at"], _AT["started_at"], _AT["finished_at"]
_INFERENCE, _TOTAL, _FIRST_TOKEN = _AT["inference_ms"], _AT["total_ms"], _AT["time_to_first_token_ms"]
_INPUT, _OUTPUT, _ERROR, _EXPLANATION = _AT["input"], _AT["output"], _AT["error"], _AT["explanation"]
_VERSION, _ASKED = _AT["model_version_id"], _AT["asked_version_id"]
_USAGE = slice(_AT["usage_source"], _AT["currency"] + 1)


class _Costs:
    """The usage columns of rows of one version; most items of a chunk used the same."""

    def __init__(self, version: CatalogVersion) -> None:
        self._prices = version.prices
        self._known: dict[Usage, Row] = {}

    def columns(self, usage: Usage, at: datetime) -> Row:
        """Returns `usage_source` to `currency`, in the order of the table."""
        found = self._known.get(usage)
        if found is None:
            found = self._known[usage] = _usage_columns(usage, cost_of(price_at(self._prices, at), usage))
        return found


def _usage_columns(usage: Usage, cost: Cost | None) -> Row:
    return [
        usage.source.value,
        usage.input_tokens,
        usage.cached_input_tokens,
        usage.output_tokens,
        usage.records,
        None if cost is None else cost.nanos,
        None if cost is None else cost.currency,
    ]


def tallies(chunk: Chunk, rows: Sequence[Row]) -> dict[str, Tally]:
    """Returns the sum over the rows of a chunk that each version answered, by its name."""
    names = {version.row.id: version.spec.name for version in chunk.route.versions}
    answered = {row[_VERSION] for row in rows}
    return {names[each]: _tally([row for row in rows if row[_VERSION] == each]) for each in answered}


def _tally(rows: Sequence[Row]) -> Tally:
    found = Tally()
    for row in rows:
        found.statuses[row[_STATUS]] += 1
        _, given, cached, written, records, nanos, currency = row[_USAGE]
        found.records += records or 0
        found.input_tokens += given or 0
        found.cached_input_tokens += cached or 0
        found.output_tokens += written or 0
        if nanos:
            found.cost_nanos[currency] += nanos
    return found


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()
