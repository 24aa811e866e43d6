"""Router: the one way in which a version is asked, by callers and by jobs.

It tries the versions of a route in order: those that are ready, whose circuit lets a call through, and
that have room. A failure that may be better elsewhere goes on to the next one, before the first token only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from db.tables import JobRow, PredictionRow
from engine.catalog import Catalog, CatalogVersion
from engine.errors import (
    ExpectedError,
    InternalError,
    ModelError,
    ModelNotReadyError,
    ModelOverloadedError,
    ThrottledError,
    UnavailableError,
)
from engine.explanations import check_explainable
from engine.outcome import Outcome, find_outcome
from engine.routing.circuits import Circuits
from engine.routing.gates import Gates, Place
from engine.routing.routes import Route, find_route, route_again
from engine.serving import Served, Serving
from engine.text_stream import TextStream
from engine.values import (
    ExplanationMethod,
    ModelRef,
    PredictionData,
    PredictionStatus,
    ServingStatus,
    VersionRef,
    Viewer,
)

THROTTLED_SECONDS = 5.0
"""How long a version is left alone that has too much to do and does not say for how long."""


@dataclass(slots=True)
class Tries:
    """How one prediction comes to its answer: the version asked now or last, and the calls made so far.

    `is_asking` tells whether that version has not answered yet, or had not when the prediction was stopped.
    """

    route: Route
    served: Served
    calls: int = 0
    is_asking: bool = False
    in_background: bool = False
    """Whether nobody waits for the answer, so that it waits for others, as an item of a job does."""
    place: Place | None = field(default=None, repr=False)

    def leave(self) -> None:
        """Gives back the place that was kept for the first call."""
        if self.place is not None:
            self.place.leave()

    def columns(self) -> dict[str, Any]:
        """Returns the columns of a prediction that tell who answered, and who was asked."""
        answered, asked = self.served.version.row.id, self.route.asked.row.id
        return {"model_version_id": answered, "asked_version_id": None if answered == asked else asked}


class Router:
    """Finds routes, and asks along them."""

    def __init__(self, catalog: Catalog, serving: Serving, circuits: Circuits, gates: Gates) -> None:
        self.circuits = circuits
        self.gates = gates
        self._catalog = catalog
        self._serving = serving

    def route(
        self, viewer: Viewer, model: ModelRef, version: VersionRef | None, sticky_key: str | None = None
    ) -> Route:
        """Finds where a request goes; see `find_route`."""
        return find_route(self._catalog, viewer, model, version, sticky_key)

    def of_job(self, job: JobRow) -> Route:
        """Returns the route that a job keeps to, whatever becomes of the alias that it was submitted by.

        Raises:
            ModelNotReadyError: another process registered its version since the catalog was read here.
        """
        asked, *others = (
            self._catalog.version_by_id(each) for each in (job.model_version_id, *job.fallbacks)
        )
        if asked is None:
            raise ModelNotReadyError("The model version is not known here yet.")
        return Route(asked, tuple(version for version in others if version is not None))

    def again(self, row: PredictionRow, version: CatalogVersion) -> Route:
        """Finds where a prediction goes that was accepted before; see `route_again`."""
        return route_again(self._catalog, row, version)

    def first(self, route: Route, *, for_job: bool = False) -> Served:
        """Returns the version of a route that is asked first.

        Raises:
            ModelNotReadyError: none of them can be asked now; it tells of the version that was asked for,
                or when the next circuit is tried.
            ModelOverloadedError: one could, but it runs as many predictions as it may.
        """
        resting: Served | None = None
        for served in self._ready(route):
            if for_job or not self.gates.is_full(served):
                if not self.gates.rests_for(served):
                    return served
                resting = resting or served
        if resting is not None:
            return resting
        raise self._refusal(route)

    async def answer(
        self,
        tries: Tries,
        data: PredictionData,
        method: ExplanationMethod | None = None,
        stream: TextStream | None = None,
        *,
        failed: Outcome | None = None,
    ) -> Outcome:
        """Asks along the route until one answers, or fails in a way that another would too.

        `tries` tells at any time which version is asked, or was last; `failed` is what the first one did
        before. Whatever happens becomes an outcome.
        """
        outcome, first = failed, tries.served
        for served in self._in_turn(first, tries.route):
            if served is first and failed is not None:
                continue
            if served is not first and not self._can_stand_in(tries, served, data, method):
                continue
            if not await self.circuits.enter(served.version.row.id):
                continue
            # Of the first one it was kept when the prediction was accepted; there was room a moment ago.
            is_needed = served is not first and not tries.in_background
            place = self.gates.place(served, forced=True) if is_needed else None
            try:
                outcome = await self._call(tries, served, data, method, stream) or outcome
            finally:
                if place is not None:
                    place.leave()
            if outcome is not None and not may_be_better_elsewhere(outcome, stream):
                break
        return outcome or self._unanswered(tries.route)

    async def note(self, served: Served, outcome: Outcome) -> None:
        """Takes notice of how a version did in a call."""
        error, version_id = outcome.error, served.version.row.id
        if isinstance(error, ThrottledError):
            self.gates.rest(served, error.retry_after_seconds or THROTTLED_SECONDS)
            await self.circuits.left(version_id)
        elif isinstance(error, InternalError) or (isinstance(error, ModelError) and error.retryable):
            await self.circuits.failed(version_id)
        else:
            await self.circuits.succeeded(version_id)

    async def was_late(self, tries: Tries) -> None:
        """Takes notice that a version which was asked did not answer before a prediction's deadline."""
        if tries.is_asking:
            await self.circuits.failed(tries.served.version.row.id)

    def _ready(self, route: Route) -> Iterator[Served]:
        for version in route.versions:
            try:
                served = self._serving.get(version)
            except ModelNotReadyError:
                continue
            if not self.circuits.seconds_left(version.row.id):
                yield served

    def _in_turn(self, first: Served, route: Route) -> Iterator[Served]:
        yield first
        for served in self._ready(route):
            if served.version.row.id != first.version.row.id:
                yield served

    def _can_stand_in(
        self, tries: Tries, served: Served, data: PredictionData, method: ExplanationMethod | None
    ) -> bool:
        if not tries.in_background and self.gates.is_full(served):
            return False
        try:
            served.checker.check(data)
            if method is not None:
                check_explainable(served.version.spec, data)
        except ExpectedError:
            return False
        return True

    async def _call(
        self,
        tries: Tries,
        served: Served,
        data: PredictionData,
        method: ExplanationMethod | None,
        stream: TextStream | None,
    ) -> Outcome | None:
        """Asks a version when it is its turn; returns None where an item is to leave it alone by then."""
        try:
            async with self.gates.call(served, for_job=tries.in_background):
                if tries.in_background and self.gates.rests_for(served):
                    await self.circuits.left(served.version.row.id)
                    return None
                tries.served, tries.calls, tries.is_asking = served, tries.calls + 1, True
                outcome = await find_outcome(served, data, method, stream)
                tries.is_asking = False
        except asyncio.CancelledError:
            await asyncio.shield(self.circuits.left(served.version.row.id))
            raise
        await self.note(served, outcome)
        return outcome

    def _refusal(self, route: Route) -> UnavailableError:
        """Returns why no version of a route can be asked now."""
        for served in self._ready(route):
            try:
                self.gates.place(served).leave()
            except ModelOverloadedError as error:
                return error
        waits = [left for version in route.versions if (left := self.circuits.seconds_left(version.row.id))]
        try:
            self._serving.get(route.asked)
        except ModelNotReadyError as error:
            if not waits:
                return error
        wait = round(max(0.1, min(waits, default=0.1)), 1)
        return ModelNotReadyError(
            f"{route.asked.spec.name} failed too often of late, and nothing else can answer; it is tried "
            f"again in {wait} s.",
            status=ServingStatus.DEGRADED,
            path=("input", "model"),
            retry_after_seconds=wait,
        )

    def _unanswered(self, route: Route) -> Outcome:
        """Returns the outcome of a prediction for which no version could be asked just now."""
        waits = [self.circuits.seconds_left(version.row.id) for version in route.versions]
        waits += [self.gates.rests_for(served) for served in self._ready(route)]
        message = f"{route.asked.spec.name} is to be left alone for a while, and nothing else can answer."
        wait = min((seconds for seconds in waits if seconds), default=1.0)
        error = ThrottledError(message, retry_after_seconds=round(max(wait, 0.1), 1))
        return Outcome(PredictionStatus.FAILED, error=error)


def may_be_better_elsewhere(outcome: Outcome, stream: TextStream | None = None) -> bool:
    """Tells whether another version may be asked: not for what would fail again, nor after a token."""
    if outcome.error is None or (stream is not None and stream.first_at is not None):
        return False
    return outcome.error.retryable and isinstance(outcome.error, ModelError | InternalError)
