"""Metrics: hears what the engine and the transports do, counts it, and shows it to Prometheus."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector
from prometheus_client import ProcessCollector as OfTheSystem
from prometheus_client.exposition import generate_latest

from db.errors import DatabaseUnavailableError
from db.queries.backlog import backlog
from db.session import Database
from db.tables import PredictionRow
from db.types import now
from engine.observer import Tally
from foretell.metrics.instruments import SERIES, Instruments
from foretell.metrics.loop_lag import measuring
from foretell.metrics.process import Connections, ProcessCollector
from resolvers.context import Services
from schema import compiled

log = logging.getLogger(__name__)

NANO = 1_000_000_000


class Metrics:
    """The metrics of one application; an `engine.observer.Observer`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.instruments = on = Instruments(self.registry)
        self._predictions = lru_cache(SERIES)(on.predictions.labels)
        self._prediction_seconds = lru_cache(SERIES)(on.prediction_seconds.labels)
        self._queue_seconds = lru_cache(SERIES)(on.queue_seconds.labels)
        self._first_token_seconds = lru_cache(SERIES)(on.first_token_seconds.labels)
        self._records = lru_cache(SERIES)(on.records.labels)
        self._tokens = lru_cache(SERIES)(on.tokens.labels)
        self._cost = lru_cache(SERIES)(on.cost.labels)
        self._process = ProcessCollector(compiled.stats)
        self.registry.register(self._process)
        for collector in (OfTheSystem, PlatformCollector, GCCollector):
            collector(registry=self.registry)

    @asynccontextmanager
    async def watching(
        self, services: Services, connections: Connections | None = None
    ) -> AsyncIterator[None]:
        """Reads these, too, for as long as the context lasts, and how late the event loop is."""
        self._process.services, self._process.connections = services, connections
        async with measuring(self.instruments.loop_lag_seconds):
            yield
        self._process.services = self._process.connections = None

    async def exposition(self) -> bytes:
        """Returns all metrics in Prometheus' text format; those of the database as they are now."""
        if self._process.services is not None:
            await self._read_backlog(self._process.services.database)
        return generate_latest(self.registry)

    def prediction_ended(self, version: str, row: PredictionRow) -> None:
        """See `Observer`."""
        labels = _labels(version)
        source = "request" if row.shadow_of is None else "shadow"
        self._predictions(*labels, str(row.status), "true" if row.cached else "false", source).inc()
        total, queue, inference = row.total_ms or 0.0, row.queue_ms or 0.0, row.inference_ms or 0.0
        self._prediction_seconds(*labels).observe(total / 1000)
        self._queue_seconds(*labels).observe(queue / 1000)
        self.instruments.overhead_seconds.observe(max(0.0, total - queue - inference) / 1000)
        if row.time_to_first_token_ms is not None:
            self._first_token_seconds(*labels).observe(row.time_to_first_token_ms / 1000)
        if not row.cached:
            tokens = {
                "input": row.input_tokens,
                "cached_input": row.cached_input_tokens,
                "output": row.output_tokens,
            }
            self._count_usage(labels, row.records, tokens)
        if row.cost_nanos and row.currency:
            self._cost(*labels, row.currency).inc(row.cost_nanos / NANO)

    def items_ended(self, version: str, tally: Tally) -> None:
        """See `Observer`."""
        labels = _labels(version)
        for status, number in tally.statuses.items():
            self._predictions(*labels, str(status), "false", "job").inc(number)
        tokens = {
            "input": tally.input_tokens,
            "cached_input": tally.cached_input_tokens,
            "output": tally.output_tokens,
        }
        self._count_usage(labels, tally.records, tokens)
        for currency, nanos in tally.cost_nanos.items():
            self._cost(*labels, currency).inc(nanos / NANO)

    def shadow_dropped(self, version: str) -> None:
        """See `Observer`."""
        self.instruments.shadows_dropped.labels(*_labels(version)).inc()

    def webhook_attempted(self, outcome: str) -> None:
        """See `Observer`."""
        self.instruments.webhook_attempts.labels(outcome).inc()

    def _count_usage(
        self, labels: tuple[str, str], records: int | None, tokens: Mapping[str, int | None]
    ) -> None:
        if records:
            self._records(*labels).inc(records)
        for kind, number in tokens.items():
            if number:
                self._tokens(*labels, kind).inc(number)

    async def _read_backlog(self, database: Database) -> None:
        """Sets the gauges of what the database holds; without it they go, rather than stay as they were."""
        on = self.instruments
        on.jobs.clear()
        on.chunks.clear()
        try:
            async with database.read() as connection:
                found = await backlog(connection)
        except DatabaseUnavailableError as error:
            log.warning("metrics lack what the database holds: %s", error)
            on.database_up.set(0)
            return
        on.database_up.set(1)
        for status, number in found.jobs.items():
            on.jobs.labels(status).set(number)
        on.chunks.labels("offered").set(found.offered_chunks)
        on.chunks.labels("pending").set(max(0, found.open_chunks - found.offered_chunks))
        on.webhooks.set(found.webhooks)
        due = found.webhook_due_at
        on.webhook_due_seconds.set(0 if due is None else max(0.0, (now() - due).total_seconds()))


@lru_cache(SERIES)
def _labels(version: str) -> tuple[str, str]:
    model, _, name = version.partition("/")
    return model, name
