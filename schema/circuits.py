"""Circuits: whether a version is asked, after it failed."""

from __future__ import annotations

from datetime import datetime

import strawberry

from schema.enums import CircuitState
from schema.types import object_type


@object_type
class Circuit:
    """Whether a version is asked, as the process that answers this knows; with Redis all know the same.

    One that fails five times in a row, or half of its calls, is left alone for a while; then one call
    tries it.
    """

    state: CircuitState = strawberry.field(description="CLOSED unless it failed of late.")
    next_try_at: datetime | None = strawberry.field(description="When it is tried, while it is OPEN.")
