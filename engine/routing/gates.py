"""Gates: how many calls of a version run at once in this process, and who waits for how long.

A version with `maxConcurrency` has that many slots. Callers wait for one in the order they came, at most
`maxQueue` of them; one more is refused at once, so that nobody waits for a time-out. Jobs take a share of
the slots, after every caller who waits. A version without the setting lets callers in as they come.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

from engine.backends.base import Backend, ManyBackend, VersionSpec
from engine.errors import ModelOverloadedError
from engine.routing.callers import Callers
from engine.serving import Served

USUAL_CONCURRENCY = 16
"""Calls at once of a version that is not computed in threads of this process, if its config says nothing."""
USUAL_QUEUE = 100
"""Callers that wait for a version with `maxConcurrency`, if its config says nothing of `maxQueue`."""
GUESS_SECONDS = 1.0
LEAST_RETRY_SECONDS = 0.1


@dataclass(slots=True)
class Place:
    """A caller's place at a gate, waiting or through it, until it is given back."""

    gate: Gate | None
    version_id: str
    callers: Callers | None
    """Those among whom the caller is counted."""

    def leave(self) -> None:
        """Gives the place back, once."""
        if self.gate is not None:
            self.gate.inside -= 1
            if self.callers is not None:
                self.callers.leave()
            self.gate = None


@dataclass(slots=True)
class Gate:
    """The slots of one version. `inside` counts callers with a place, `mean` is the seconds of a call."""

    spec: VersionSpec | None = None
    """What the numbers here were read from: another one when the catalog was read again."""
    slots: int | None = None
    queue: int = 0
    jobs: int = 1
    inside: int = 0
    closed_until: float = 0.0
    mean: float | None = None
    _running: int = 0
    _running_jobs: int = 0
    _callers: deque[asyncio.Future[None]] = field(default_factory=deque)
    _items: deque[asyncio.Future[None]] = field(default_factory=deque)

    @property
    def is_full(self) -> bool:
        """Whether one more caller would be refused."""
        return self.slots is not None and self.inside >= self.slots + self.queue

    def retry_after(self) -> float:
        """Estimates the seconds after which there is room again: when the first of those inside is done."""
        usual = self.mean or GUESS_SECONDS
        return max(LEAST_RETRY_SECONDS, round(usual * max(1, self.queue) / max(1, self.slots or 1), 1))

    async def take(self, *, for_job: bool) -> None:
        """Waits for a slot; jobs wait for callers, and for a part of the slots that is theirs."""
        waiting = self._items if for_job else self._callers
        if not waiting and self._has_room(for_job=for_job):
            self._add(1, for_job=for_job)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give(for_job=for_job)  # the slot came just as the caller left
            raise

    def give(self, *, for_job: bool) -> None:
        """Hands a slot on to whoever waits for it longest."""
        self._add(-1, for_job=for_job)
        self.wake()

    def wake(self) -> None:
        """Lets in whoever there is room for, callers first."""
        for waiting, for_job in ((self._callers, False), (self._items, True)):
            while waiting and self._has_room(for_job=for_job):
                turn = waiting.popleft()
                if not turn.done():
                    self._add(1, for_job=for_job)
                    turn.set_result(None)

    def took(self, seconds: float) -> None:
        """Notes how long a call took."""
        self.mean = seconds if self.mean is None else 0.9 * self.mean + 0.1 * seconds

    def _has_room(self, *, for_job: bool) -> bool:
        if for_job and (self._running_jobs >= self.jobs or (self.slots is not None and self._callers)):
            return False
        return self.slots is None or self._running < self.slots

    def _add(self, number: int, *, for_job: bool) -> None:
        self._running += number
        if for_job:
            self._running_jobs += number


class Slot:
    """A slot of a gate, from its turn on, for as long as a context lasts."""

    __slots__ = ("_for_job", "_gate", "_started")

    def __init__(self, gate: Gate, *, for_job: bool) -> None:
        self._gate = gate
        self._for_job = for_job

    async def __aenter__(self) -> None:
        await self._gate.take(for_job=self._for_job)
        self._started = time.monotonic()

    async def __aexit__(self, *_: object) -> None:
        self._gate.took(time.monotonic() - self._started)
        self._gate.give(for_job=self._for_job)


class Gates:
    """A gate for each version that is asked in this process.

    `share` is the part of a version's capacity that jobs may take, 0 to 1; it is one call at least.
    `threads` is how many calls this process can compute at once.
    """

    def __init__(self, share: float = 0.5, threads: int = 1) -> None:
        self.callers = Callers()
        self._share = share
        self._threads = threads
        self._gates: dict[str, Gate] = {}
        self._known_kinds: dict[type[Backend], bool] = {}

    def is_full(self, served: Served) -> bool:
        """Tells whether a version takes no more callers now."""
        return self._gate(served).is_full

    def place(self, served: Served, *, forced: bool = False) -> Place:
        """Gives a caller a place, to be given back when the call has ended; one that is `forced` always.

        Raises:
            ModelOverloadedError: the version runs as many calls as it may, and as many wait.
        """
        gate = self._gate(served)
        if gate.is_full and not forced:
            raise ModelOverloadedError(
                f"{served.version.spec.name} runs {gate.slots} predictions, as many as it may, and "
                f"{gate.queue} wait.",
                path=("input", "model"),
                retry_after_seconds=gate.retry_after(),
            )
        gate.inside += 1
        callers = self.callers if self._computes_here(served.backend) else None
        if callers is not None:
            callers.enter()
        return Place(gate, served.version.row.id, callers)

    def call(self, served: Served, *, for_job: bool = False) -> Slot:
        """Waits for its turn to ask a version once, and holds it while the context lasts."""
        return Slot(self._gate(served), for_job=for_job)

    def rest(self, served: Served, seconds: float) -> None:
        """Asks callers to leave a version alone for some seconds: it said that it has too much to do."""
        gate = self._gate(served)
        gate.closed_until = max(gate.closed_until, time.monotonic() + seconds)

    def rests_for(self, served: Served) -> float:
        """Returns for how many more seconds a version is to be left alone."""
        return max(0.0, self._gate(served).closed_until - time.monotonic())

    def _gate(self, served: Served) -> Gate:
        spec = served.version.spec
        gate = self._gates.get(spec.id)
        if gate is None:
            gate = self._gates[spec.id] = Gate()
        elif gate.spec is spec:
            return gate
        gate.spec = spec
        usual = self._threads if self._computes_here(served.backend) else USUAL_CONCURRENCY
        slots = spec.config.get("maxConcurrency")
        if slots != gate.slots:
            gate.slots = slots
            gate.wake()
        gate.queue = spec.config.get("maxQueue", USUAL_QUEUE)
        gate.jobs = max(1, int((slots or usual) * self._share))
        return gate

    def _computes_here(self, backend: Backend) -> bool:
        """Tells whether a backend computes in threads of this process; to ask a protocol takes 10 µs."""
        kind = type(backend)
        known = self._known_kinds.get(kind)
        if known is None:
            known = self._known_kinds[kind] = isinstance(backend, ManyBackend)
        return known
