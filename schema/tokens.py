"""The events of a text stream."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import field
from functools import lru_cache
from typing import Any

import strawberry

from db.tables import PredictionRow
from engine.events import End, Piece, Snapshot
from engine.events import StreamEvent as Event
from engine.values import Viewer
from schema.predictions import Prediction
from schema.types import interface_type, object_type

SHARED_EVENTS = 4096


@interface_type
class TokenStreamEvent:
    """What happens in a text stream. Sequences start at 1 and rise by 1: drop what you have seen."""

    sequence: int = strawberry.field(description="Its number; give the last one as `after` to go on.")


@object_type
class TokenEvent(TokenStreamEvent):
    """The next piece of the text: one token, or under load a few of them."""

    text: str = strawberry.field(description="Append it to what you have.")
    logprob: float | None = strawberry.field(
        description="Of a single token, where its server is asked for it (`logprobs`) and tells; at most 0."
    )
    shared_results: strawberry.Private[dict[Any, Any]] = field(default_factory=dict)


@object_type
class StreamSnapshot(TokenStreamEvent):
    """All text up to `sequence`: put it in the place of what you have.

    Comes instead of a replay when the buffer no longer reaches back, or when the reader is too slow.
    """

    text: str = strawberry.field(description="Everything from the start.")
    shared_results: strawberry.Private[dict[Any, Any]] = field(default_factory=dict)


@object_type
class StreamEnd(TokenStreamEvent):
    """The generation is over; nothing follows."""

    prediction: Prediction = strawberry.field(description="The prediction, terminal.")
    shared_results: strawberry.Private[dict[Any, Any]]
    shared_with: strawberry.Private[Hashable]


TOKEN_STREAM_EVENTS = (TokenEvent, StreamSnapshot, StreamEnd)
"""Goes into the schema's `types`: they are reached through the interface only."""


def shape_event(event: Event, row: PredictionRow | None, viewer: Viewer) -> TokenStreamEvent:
    """Shapes an event; with the end comes the finished prediction, as a viewer sees it."""
    if isinstance(event, End):
        assert row is not None
        return StreamEnd(
            sequence=event.sequence,
            prediction=Prediction.from_row(row),
            shared_results=event.shared,
            shared_with=(viewer, event.sequence),
        )
    return _shared(event)


@lru_cache(maxsize=SHARED_EVENTS)
def _shared(event: Piece | Snapshot) -> TokenStreamEvent:
    """Shapes an event once for all who read it, so that they can share what is made of it."""
    if isinstance(event, Piece):
        return TokenEvent(sequence=event.sequence, text=event.text, logprob=event.logprob)
    return StreamSnapshot(sequence=event.sequence, text=event.text)
