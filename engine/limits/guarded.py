"""GuardedBuckets: shared buckets that may go away, and what is done meanwhile.

The first call that finds them away waits for their time-out; from then on nobody asks them but a probe,
twice a second, until they answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from engine.limits.base import Buckets, BucketsAwayError, Demand, Problem, Taken
from engine.limits.memory import MemoryBuckets

log = logging.getLogger(__name__)

PROBE_SECONDS = 0.5


class GuardedBuckets:
    """Takes from shared buckets while they answer.

    Else it takes from buckets of this process (`fails_open`), which begin full, or from none at all.
    """

    def __init__(self, shared: Buckets, *, fails_open: bool) -> None:
        self._shared = shared
        self._local = MemoryBuckets()
        self._fails_open = fails_open
        self._probe: asyncio.Task[None] | None = None

    async def take(self, demands: Sequence[Demand], holder: str = "", *, forced: bool = False) -> Taken:
        """See `Buckets`."""
        if self._probe is None:
            try:
                return await self._shared.take(demands, holder, forced=forced)
            except BucketsAwayError as error:
                self._went_away(error)
        if not self._fails_open:
            raise BucketsAwayError("Redis does not answer")
        return await self._local.take(demands, holder, forced=forced)

    async def renew(self, places: Sequence[tuple[str, str]]) -> None:
        """See `Buckets`; a place is held in the one or in the other."""
        await self._local.renew(places)
        if self._probe is None:
            await self._shared.renew(places)

    async def problem(self) -> Problem | None:
        """See `Buckets`."""
        found = await self._shared.problem()
        if found is None:
            return None
        return Problem(f"{found.message}: {self._meanwhile}", refuses=not self._fails_open)

    async def close(self) -> None:
        """See `Buckets`."""
        if self._probe is not None:
            self._probe.cancel()
            with suppress(asyncio.CancelledError):
                await self._probe
        await self._shared.close()

    def _went_away(self, error: BucketsAwayError) -> None:
        if self._probe is None:
            log.warning("limits are not shared any more, %s: %s", self._meanwhile, error)
            self._probe = asyncio.create_task(self._until_back(), name="limits: probe of Redis")

    @property
    def _meanwhile(self) -> str:
        return "each process limits by itself" if self._fails_open else "requests are refused"

    async def _until_back(self) -> None:
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            if await self._shared.problem() is None:
                break
        log.warning("limits are shared again")
        self._probe = None
