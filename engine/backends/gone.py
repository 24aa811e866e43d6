"""GoneBackend: stands for a model that can not be served any more, so that what it left open can end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from engine.backends.base import Event, Metadata
from engine.errors import ModelError
from engine.values import PredictionData

NOTHING: tuple[Event, ...] = ()


@dataclass(slots=True)
class GoneBackend:
    """Refuses everything with the reason why the model is gone."""

    reason: str
    is_repeatable: bool = False

    async def load(self) -> Metadata:
        """Refuses."""
        raise ModelError(self.reason)

    async def predict(self, data: PredictionData) -> AsyncIterator[Event]:
        """Refuses."""
        for event in NOTHING:
            yield event
        raise ModelError(self.reason)

    async def close(self) -> None:
        """Holds nothing."""

    def usage_of(self, data: PredictionData, text: str) -> None:
        """Returns nothing: nothing was used."""
