"""What is read off the process when it is asked for: counters that others keep, and what is open now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from engine.bus.base import BusState
from executor import Stats
from foretell import __version__
from resolvers.context import Services


class Connections(Protocol):
    """Knows how many sockets and event streams are open."""

    @property
    def open_connections(self) -> int:
        """How many there are now, in this process."""


class ProcessCollector(Collector):
    """Nothing but reads of numbers in memory; what is not open yet is left out."""

    def __init__(self, executor: Stats) -> None:
        self.services: Services | None = None
        self.connections: Connections | None = None
        self._executor = executor

    def collect(self) -> Iterable[Metric]:
        """Yields the metrics as they are now."""
        yield _info()
        yield from self._of_executor()
        if self.connections is not None:
            yield GaugeMetricFamily(
                "foretell_connections_open", "Sockets and event streams.", self.connections.open_connections
            )
        if self.services is not None:
            yield from _of_services(self.services)

    def _of_executor(self) -> Iterator[Metric]:
        stats = self._executor
        plans = CounterMetricFamily(
            "foretell_executor_plans", "Looks for a compiled plan, by what came of them.", labels=("found",)
        )
        plans.add_metric(("yes",), stats.hits)
        plans.add_metric(("no",), stats.misses)
        yield plans
        yield CounterMetricFamily("foretell_executor_compiled", "Plans that were compiled.", stats.compiled)
        yield CounterMetricFamily(
            "foretell_executor_compile_seconds", "Time that took.", stats.compile_seconds
        )
        yield CounterMetricFamily(
            "foretell_executor_fallbacks", "Operations left to graphql-core.", sum(stats.fallbacks.values())
        )


def _info() -> Metric:
    info = GaugeMetricFamily("foretell_build_info", "1, with the version.", labels=("version",))
    info.add_metric((__version__,), 1)
    return info


def _of_services(services: Services) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "foretell_predictions_running", "Predictions of this process.", len(services.runs)
    )
    commits = services.database.commits
    yield CounterMetricFamily("foretell_database_commits", "Commits.", commits.commits)
    yield CounterMetricFamily(
        "foretell_database_transactions", "Transactions that commits made durable.", commits.transactions
    )
    bus: BusState = services.bus.state()
    yield GaugeMetricFamily(
        "foretell_bus_up", "1 if the bus hears what others say.", int(bus.problem is None)
    )
    yield GaugeMetricFamily("foretell_bus_unsent", "Messages that wait to be sent.", bus.unsent)
    yield GaugeMetricFamily(
        "foretell_bus_lag_seconds", "How old messages are when they are read.", bus.lag_seconds
    )
