"""MemoryBuckets: the limits of one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine.limits.base import Demand, Limit, Problem, Taken

LEASE_SECONDS = 30.0
SWEEP_AT = 10_000
"""With more limits than this, those that are whole again are forgotten."""


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float
    whole_at: float = 0.0


@dataclass(slots=True)
class _Places:
    leases: dict[str, float] = field(default_factory=dict)
    none_ends_before: float = 0.0


class MemoryBuckets:
    """Keeps what is left in two dictionaries. `clock` returns seconds that never go back."""

    def __init__(
        self, *, lease_seconds: float = LEASE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lease = lease_seconds
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}
        self._places: dict[str, _Places] = {}

    async def take(self, demands: Sequence[Demand], holder: str = "", *, forced: bool = False) -> Taken:
        """See `Buckets`."""
        at = self._clock()
        left = [self._left(demand.limit, at) for demand in demands]
        refused = None if forced else _first_refused(demands, left)
        if refused is None:
            left = [self._change(demand, has, holder, at) for demand, has in zip(demands, left, strict=True)]
        return Taken(demands, left, refused, self)

    async def renew(self, places: Sequence[tuple[str, str]]) -> None:
        """See `Buckets`."""
        until = self._clock() + self._lease
        for key, holder in places:
            if key in self._places and holder in self._places[key].leases:
                self._places[key].leases[holder] = until

    async def problem(self) -> Problem | None:
        """See `Buckets`: nothing can be wrong."""
        return None

    async def close(self) -> None:
        """See `Buckets`."""
        self._buckets.clear()
        self._places.clear()

    def _left(self, limit: Limit, at: float) -> float:
        if limit.has_places:
            held = self._places.get(limit.key)
            return limit.capacity - (0 if held is None else self._live(held, at))
        bucket = self._buckets.get(limit.key)
        if bucket is None:
            return limit.capacity
        return min(limit.capacity, bucket.left + (at - bucket.at) * limit.restored_per_second)

    def _live(self, held: _Places, at: float) -> int:
        if held.none_ends_before <= at:
            held.leases = {holder: until for holder, until in held.leases.items() if until > at}
            held.none_ends_before = min(held.leases.values(), default=0.0)
        return len(held.leases)

    def _change(self, demand: Demand, has: float, holder: str, at: float) -> float:
        limit = demand.limit
        if not demand.amount:
            return has
        if limit.has_places:
            held = self._places.setdefault(limit.key, _Places())
            if demand.amount > 0:
                held.leases[holder] = at + self._lease
            else:
                held.leases.pop(holder, None)
            if not held.leases:
                del self._places[limit.key]
            return limit.capacity - len(held.leases)
        left = min(limit.capacity, has - demand.amount)
        if len(self._buckets) > SWEEP_AT:
            self._buckets = {key: each for key, each in self._buckets.items() if each.whole_at > at}
        whole_at = at + (limit.capacity - left) / limit.restored_per_second
        self._buckets[limit.key] = _Bucket(left, at, whole_at)
        return left


def _first_refused(demands: Sequence[Demand], left: Sequence[float]) -> int | None:
    """Returns the first demand that is for more than is left; None where all can be met."""
    for place, (demand, has) in enumerate(zip(demands, left, strict=True)):
        if 0 < demand.amount > has:
            return place
    return None
