"""Metrics, for Prometheus: what happened in this process, and what waits in the database.

Every label has few values: names of models, versions and registered operations, codes, statuses. Nothing of
what callers send becomes one.
"""

from foretell.metrics.metrics import Metrics
from foretell.metrics.route import router

__all__ = ["Metrics", "router"]
