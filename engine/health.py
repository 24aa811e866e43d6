"""Health: asks model servers now and then whether they are well, so that it is known without a prediction.

Any process that can not reach a server says so, and any that can takes it back. A version that is
DEGRADED is still asked: what answers badly may answer.
"""

from __future__ import annotations

import asyncio
import logging
import random

from db.errors import DatabaseUnavailableError
from engine.backends.base import ProbedBackend
from engine.errors import ForetellError
from engine.serving import Served, Serving
from engine.values import ServingStatus

log = logging.getLogger(__name__)

PROBE_SECONDS = 10.0
FAILURES = 2
"""How many probes in a row must fail: one alone may be an accident."""
NO_ANSWER = "The model server did not answer a health check in time."


class Health:
    """READY ⇄ DEGRADED, for the versions that this process serves and whose backend can be probed."""

    def __init__(self, serving: Serving, *, every_seconds: float) -> None:
        self._serving = serving
        self._every_seconds = every_seconds
        self._failures: dict[str, int] = {}

    async def run(self) -> None:
        """Probes until it is cancelled, not all processes at once."""
        while True:
            await asyncio.sleep(self._every_seconds * random.uniform(0.9, 1.1))  # noqa: S311
            await self.look()

    async def look(self) -> None:
        """Probes everything that can be, at the same time, and notes what is news."""
        served = {each.version.row.id: each for each in self._serving.loaded()}
        self._failures = {key: count for key, count in self._failures.items() if key in served}
        await asyncio.gather(*(self._probe(each) for each in served.values()))

    async def _probe(self, served: Served) -> None:
        if not isinstance(served.backend, ProbedBackend):
            return
        version_id = served.version.row.id
        reason = await _problem(served.backend)
        self._failures[version_id] = 0 if reason is None else self._failures.get(version_id, 0) + 1
        status = served.version.row.status
        try:
            if reason is None and status == ServingStatus.DEGRADED:
                await self._serving.note(served.version, status=ServingStatus.READY, status_reason=None)
            elif self._failures[version_id] >= FAILURES and status == ServingStatus.READY:
                log.warning("%s is DEGRADED: %s", served.version.spec.name, reason)
                await self._serving.note(served.version, status=ServingStatus.DEGRADED, status_reason=reason)
        except DatabaseUnavailableError as error:
            log.warning("the health of %s was not noted: %s", served.version.spec.name, error)


async def _problem(backend: ProbedBackend) -> str | None:
    """Returns what is wrong with a model's server, None if nothing is."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await backend.probe()
    except TimeoutError:
        return NO_ANSWER
    except ForetellError as error:
        return error.message
    return None
