"""Rows: items that have ended, as the values the database keeps.

Building these takes a third of the time of an item on the fastest models, so it is done once for each
chunk, in a thread, and without a row object.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from db.tables import JobRow
from db.tables.usage import NONE
from db.types import epoch_ms, from_epoch_ms
from engine.catalog import CatalogVersion
from engine.errors import ProcessingError
from engine.jobs.chunk import Answers, Chunk, Ended, Running, cut_answers, jitter, outcome_of
from engine.money import Cost, cost_of, price_at
from engine.observer import Tally
from engine.outcome import error_json
from engine.usage.ledger import Sums, hour_of
from engine.values import AliasPart, PredictionStatus, Usage

Row = tuple[Any, ...]


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


@dataclass(slots=True)
class Stored:
    """What is stored of the items of a chunk that have ended."""

    alike: dict[Row, list[Row]]
    """The `OWN_COLUMNS` of items, numbered from 1, by the `ALIKE_COLUMNS` that they have in common."""
    sums: list[Sums]

    @property
    def count(self) -> int:
        """How many items those are."""
        return sum(each.predictions for each in self.sums)

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return sum(each.failed for each in self.sums)


def stored(chunk: Chunk, most: int | None = None) -> Stored:
    """Returns what is stored of the items that have ended, of so many of them at most.

    The chunk forgets them: to let go of thousands of small objects takes a while, which is spent here and
    not on the event loop.
    """
    groups = _Groups(chunk)
    answers, chunk.answers = cut_answers(chunk.answers, most)
    for each in answers:
        groups.add_answers(each)
    room = None if most is None else max(0, most - groups.count)
    ended, chunk.ended = chunk.ended[:room], [] if room is None else chunk.ended[room:]
    for one in ended:
        groups.add(one)
    return Stored(groups.alike, [_sums(chunk.job, *group) for group in groups.alike.items()])


class _Groups:
    """Gathers the items of a chunk by what they have in common."""

    def __init__(self, chunk: Chunk) -> None:
        self.alike: dict[Row, list[Row]] = {}
        self._chunk = chunk
        self.count = 0
        self._started = epoch_ms(chunk.started_at)
        self._answerers = {version.row.id: _Answerer(version, chunk.job) for version in chunk.route.versions}

    def add(self, ended: Ended) -> None:
        """Adds an item."""
        self._rows(ended).append(self._own(ended.running, ended.outcome.output))

    def add_answers(self, answers: Answers) -> None:
        """Adds the items that were answered well together; the others end in the chunk, or run again."""
        known: dict[Any, list[Row]] = {}
        for running, result in zip(answers.items, answers.results, strict=True):
            if isinstance(result, ProcessingError):
                self._chunk.end(running, outcome_of(result, answers.started), answers.ended_at, jitter())
                continue
            running.tries += 1
            del self._chunk.left[running.place]
            key = (running.tries, running.others, id(result.usage), result.inference_ms)
            rows = known.get(key)
            if rows is None:  # nearly all of a chunk are alike
                ended = Ended(running, outcome_of(result, answers.started), answers.ended_at)
                rows = known[key] = self._rows(ended)
            rows.append(self._own(running, result.output))

    def _own(self, running: Running, output: dict[str, Any] | None) -> Row:
        self.count += 1
        item = running.item
        return running.id, self.count, running.place, item.custom_id, _json(item.data.value), _json(output)

    def _rows(self, ended: Ended) -> list[Row]:
        running, outcome = ended.running, ended.outcome
        answerer = self._answerers[(running.served or self._chunk.served).version.row.id]
        finished = epoch_ms(ended.ended_at)
        first_token = outcome.first_token
        alike = (
            running.tries + running.others,
            finished,
            answerer.asked_version_id,
            answerer.version_id,
            outcome.status.value,
            *(NOTHING_USED if outcome.usage is None else answerer.columns(outcome.usage, ended.ended_at)),
            outcome.inference_ms,
            None if first_token is None else (first_token - outcome.started) * 1000,
            float(max(0, finished - self._started)),  # the clock may have been set back
            None if outcome.error is None else _json(error_json(outcome.error)),
            _json(outcome.explanation),
        )
        return self.alike.setdefault(alike, [])


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


def _sums(job: JobRow, alike: Row, rows: Sequence[Row]) -> Sums:
    _, finished, asked, version_id, status, _, given, cached, written, records, nanos, currency, *times = (
        alike
    )
    _, first_token_ms, total_ms, _, _ = times
    part = NONE if job.alias_id is None else AliasPart.ARM if asked is None else AliasPart.FALLBACK
    count = len(rows)
    return Sums(
        project_id=job.project_id,
        hour=hour_of(from_epoch_ms(finished)),
        model_version_id=version_id,
        api_key_id=job.api_key_id or NONE,
        job_id=job.id,
        alias_id=job.alias_id or NONE,
        part=part,
        currency=currency or NONE,
        total_ms=total_ms,
        time_to_first_token_ms=first_token_ms,
        model_id=job.model_id,
        predictions=count,
        failed=count if status == PredictionStatus.FAILED else 0,
        cached=0,
        unpriced=count if nanos is None else 0,
        cost_nanos=count * (nanos or 0),
        input_tokens=count * (given or 0),
        cached_input_tokens=count * (cached or 0),
        output_tokens=count * (written or 0),
        records=count * (records or 0),
    )


def tallies(chunk: Chunk, sums: Sequence[Sums]) -> dict[str, Tally]:
    """Returns what each version, known by its name, answered of a chunk."""
    names = {version.row.id: version.spec.name for version in chunk.route.versions}
    found: dict[str, Tally] = {}
    for each in sums:
        tally = found.setdefault(names[each.model_version_id], Tally())
        tally.statuses[PredictionStatus.FAILED] += each.failed
        tally.statuses[PredictionStatus.SUCCEEDED] += each.predictions - each.failed
        tally.records += each.records
        tally.input_tokens += each.input_tokens
        tally.cached_input_tokens += each.cached_input_tokens
        tally.output_tokens += each.output_tokens
        if each.cost_nanos:
            tally.cost_nanos[each.currency] += each.cost_nanos
    return found


def cost_together(sums: Sequence[Sums]) -> Cost | None:
    """Returns what the items of a chunk cost together; None where it is not known of any."""
    costs = Counter[str]()
    for each in sums:
        if each.cost_nanos:
            costs[each.currency] += each.cost_nanos
    return next((Cost(nanos, currency) for currency, nanos in costs.items()), None)


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()
