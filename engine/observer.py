"""Observer: who is told what the engine has done, to count it; by default nobody listens."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from db.tables import PredictionRow


@dataclass(slots=True)
class Tally:
    """The sum over some items of a job that have ended; costs are in nano units, by currency."""

    statuses: Counter[str] = field(default_factory=Counter)
    records: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    cost_nanos: Counter[str] = field(default_factory=Counter)


class Observer(Protocol):
    """Is told on the event loop, after the database has it: return at once, raise nothing."""

    def prediction_ended(self, version: str, row: PredictionRow) -> None:
        """A prediction of a version, `model/1`, became terminal; its row has usage, cost and timings."""

    def items_ended(self, version: str, tally: Tally) -> None:
        """Items of a job ended, stored in one transaction."""

    def shadow_dropped(self, version: str) -> None:
        """A copy that a shadow was to get was not made: too many ran, or it could not be asked."""

    def webhook_attempted(self, outcome: str) -> None:
        """A delivery was tried: `delivered`, `refused` (an answer that is not 2xx) or `unreachable`."""


class Unobserved:
    """The observer that does not care."""

    def prediction_ended(self, version: str, row: PredictionRow) -> None:
        """See `Observer`."""

    def items_ended(self, version: str, tally: Tally) -> None:
        """See `Observer`."""

    def shadow_dropped(self, version: str) -> None:
        """See `Observer`."""

    def webhook_attempted(self, outcome: str) -> None:
        """See `Observer`."""


UNOBSERVED = Unobserved()
