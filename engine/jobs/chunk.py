"""Chunk: the items that one worker runs together, what has come of them, and what is left."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from db.tables import ChunkRow, JobRow
from db.types import new_id, now
from engine.backends.base import Result
from engine.errors import ProcessingError, ThrottledError
from engine.jobs.lines import Item
from engine.outcome import Outcome
from engine.routing.router import THROTTLED_SECONDS
from engine.routing.routes import Route
from engine.serving import Served
from engine.values import PredictionStatus

MAX_TRIES = 3
FIRST_WAIT_SECONDS = 1.0
LEAST_WAIT_SECONDS = 0.5
"""A chunk that is handed out again before its handler has returned would be taken for running."""


@dataclass(slots=True)
class Running:
    """One item, on its way; `place` is its index in the job."""

    id: str
    place: int
    item: Item
    tries: int
    others: int = 0
    """Calls of versions that stood in."""
    served: Served | None = None
    """The version that was asked last, if not that of the chunk."""


@dataclass(slots=True)
class Answers:
    """What a backend answered to items that it was given together, in their order."""

    items: Sequence[Running]
    results: Sequence[Result | ProcessingError]
    started: float
    """A reading of `time.perf_counter`."""
    ended_at: datetime

    def outcomes(self) -> Iterator[tuple[Running, Outcome]]:
        """Yields each item with its outcome."""
        for running, result in zip(self.items, self.results, strict=True):
            yield running, outcome_of(result, self.started)


def cut_answers(answers: Sequence[Answers], most: int | None) -> tuple[list[Answers], list[Answers]]:
    """Returns answers in two parts: to so many items at most, and to the rest."""
    first: list[Answers] = []
    rest: list[Answers] = []
    room = sum(len(each.items) for each in answers) if most is None else most
    for each in answers:
        if room:
            first.append(replace(each, items=each.items[:room], results=each.results[:room]))
        if len(each.items) > room:
            rest.append(replace(each, items=each.items[room:], results=each.results[room:]))
        room = max(0, room - len(each.items))
    return first, rest


def outcome_of(result: Result | ProcessingError, started: float) -> Outcome:
    """Returns how an item ended that was answered together with others."""
    if isinstance(result, ProcessingError):
        return Outcome(PredictionStatus.FAILED, started=started, error=result)
    outcome = Outcome(PredictionStatus.SUCCEEDED, started=started)
    outcome.output, outcome.usage, outcome.inference_ms = result.output, result.usage, result.inference_ms
    return outcome


def jitter() -> float:
    """Returns a number from 0 to 1, which spreads those that wait."""
    return random.random()  # noqa: S311 - it spreads load


@dataclass(slots=True)
class Ended:
    """One item that has a result which stays. (Frozen, it would take four times as long to make.)"""

    running: Running
    outcome: Outcome
    ended_at: datetime


@dataclass(slots=True)
class Chunk:
    """A begun chunk. Items move from `left` to `ended`; what is left when it is cut runs again."""

    row: ChunkRow
    job: JobRow
    route: Route
    served: Served
    left: dict[int, Running] = field(default_factory=dict)
    ended: list[Ended] = field(default_factory=list)
    answers: list[Answers] = field(default_factory=list)
    """What was answered and not looked at yet: of hundreds of items, the thread that stores does that."""
    started_at: datetime = field(default_factory=now)
    wait_seconds: float = 0.0
    is_throttled: bool = False
    is_budgeted: bool = False
    """Whether it has reserved money, under `holder`."""

    @property
    def has_ended(self) -> bool:
        """Whether there are items that have ended, or were answered, and are not stored."""
        return bool(self.answers or self.ended)

    @property
    def holder(self) -> str:
        """The name under which it reserves."""
        return f"chunk {self.row.id}"

    def begin(self, items: Sequence[Item]) -> None:
        """Takes the items of the chunk's part of the source; those that ended before are not run again."""
        self.started_at = now()
        tries = self.row.tries
        for offset, item in enumerate(items):
            place = self.row.first + offset
            if tries is None or str(place) in tries:
                tried = 0 if tries is None else tries[str(place)]
                self.left[place] = Running(new_id(), place, item, tried)

    def end(self, running: Running, outcome: Outcome, at: datetime, jitter: float) -> None:
        """Takes an item's outcome: one that may be better next time is tried again, up to three times.

        Being throttled does not count. `at` is when it ended; `jitter`, 0 to 1, spreads those that wait.
        """
        error = outcome.error
        if isinstance(error, ThrottledError):
            self.wait(error.retry_after_seconds or THROTTLED_SECONDS)
            return
        running.tries += 1
        if error is not None and error.retryable and running.tries < MAX_TRIES:
            backoff = FIRST_WAIT_SECONDS * 2 ** (running.tries - 1) * (0.5 + jitter)
            self._wait(max(backoff, error.retry_after_seconds or 0.0))
            return
        del self.left[running.place]
        self.ended.append(Ended(running, outcome, at))

    def give_up(self, error: ProcessingError) -> None:
        """Ends every item that is left with an error."""
        for running in list(self.left.values()):
            running.tries = MAX_TRIES
            self.end(running, Outcome(PredictionStatus.FAILED, error=error), now(), 0.0)

    def wait(self, seconds: float) -> None:
        """Leaves what is left alone for some seconds, and all of the job: the version has too much to do."""
        self.is_throttled = True
        self._wait(seconds)

    @property
    def tries(self) -> dict[str, int]:
        """The items that are not stored, with how often each was tried: whoever takes over runs them."""
        unstored = {str(each.running.place): each.running.tries for each in self.ended}
        return unstored | {str(place): running.tries for place, running in self.left.items()}

    @property
    def not_before(self) -> datetime | None:
        """When what is left may be tried again."""
        return now() + timedelta(seconds=self.wait_seconds) if self.wait_seconds else None

    def _wait(self, seconds: float) -> None:
        self.wait_seconds = max(self.wait_seconds, seconds, LEAST_WAIT_SECONDS)
