"""Instruments: the metrics that are counted while things happen. `docs/operations.md` lists them all."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
OVERHEAD_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)
LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 5)

SERIES = 4096
"""How many series of a counter are found without its lock; there are hardly ever as many."""

# Or every series would have a second one, that says since when it counts.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Instruments:
    """One of each for a registry, so that two applications in one process do not add up."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"foretell_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"foretell_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"foretell_{name}", text, labels, buckets=buckets, registry=registry)

        version = ("model", "version")

        self.http_requests = counter("http_requests", "Answered HTTP requests.", "route", "method", "code")
        self.operations = counter(
            "graphql_operations",
            "GraphQL operations that ended. `name` is that of a registered document, else empty.",
            *("type", "name", "code"),
        )
        self.operation_seconds = histogram(
            "graphql_operation_seconds",
            "How long queries and mutations took.",
            REQUEST_SECONDS,
            *("type", "name"),
        )
        self.subscriptions = gauge("graphql_subscriptions_open", "Subscriptions that run now.")
        self.events = counter("graphql_events", "Events that subscriptions sent.")

        self.predictions = counter(
            "predictions", "Predictions that became terminal.", *version, "status", "cached", "source"
        )
        self.prediction_seconds = histogram(
            "prediction_seconds", "From accepted to terminal, jobs aside.", REQUEST_SECONDS, *version
        )
        self.queue_seconds = histogram(
            "prediction_queue_seconds", "From accepted to the call of the model.", REQUEST_SECONDS, *version
        )
        self.first_token_seconds = histogram(
            "prediction_first_token_seconds", "From accepted to the first token.", REQUEST_SECONDS, *version
        )
        self.overhead_seconds = histogram(
            "prediction_overhead_seconds", "In Foretell: all but the queue and the model.", OVERHEAD_SECONDS
        )
        self.tokens = counter("tokens", "Tokens that models read and wrote.", *version, "kind")
        self.records = counter("records", "Records that models were given.", *version)
        self.cost = counter(
            "cost", "What predictions cost, in whole units of the currency.", *version, "currency"
        )
        self.shadows_dropped = counter(
            "shadows_dropped", "Copies for shadow targets that were not made: too many ran.", *version
        )
        self.webhook_attempts = counter("webhook_attempts", "Attempts to deliver a webhook.", "outcome")

        self.loop_lag_seconds = histogram(
            "event_loop_lag_seconds", "How late the event loop called a timer.", LAG_SECONDS
        )
        self.database_up = gauge("database_up", "1 if the database answered this scrape.")
        self.jobs = gauge("jobs", "Jobs that have not ended, in the database.", "status")
        self.chunks = gauge("job_chunks", "Chunks of jobs that have not ended, in the database.", "state")
        self.webhooks = gauge("webhooks_pending", "Webhooks that are not delivered yet, in the database.")
        self.webhook_due_seconds = gauge(
            "webhook_overdue_seconds", "How long the first pending webhook has been due, in the database."
        )
