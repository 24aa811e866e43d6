"""Subscription: the roots that go on answering. None of them has a side effect."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import strawberry

from engine.values import Scope
from resolvers import streams
from schema.access import Info, subscription
from schema.job_subscriptions import JobSubscriptions
from schema.nodes import row_id
from schema.predictions import Prediction
from schema.resuming import After, check_after
from schema.tokens import TokenStreamEvent, shape_event

Id = Annotated[strawberry.ID, strawberry.argument(description="The prediction's global id.")]


@strawberry.type(description="A snapshot first, then changes, and a completion at the end.")
class Subscription(JobSubscriptions):
    """The subscription root."""

    @subscription(
        Scope.PREDICTIONS_READ,
        "The text of a generation, as it comes: events with sequence > after are replayed, then it follows "
        "the generation and completes after StreamEnd. Reconnect with the last sequence seen.",
    )
    async def tokens(
        self,
        info: Info,
        prediction_id: Id,
        after: After = 0,
    ) -> AsyncGenerator[TokenStreamEvent, None]:
        """Follows a text."""
        check_after(after)
        key = row_id(prediction_id, "Prediction", path=("predictionId",))
        async with aclosing(streams.tokens(info.context, key, after)) as events:
            async for event, row in events:
                yield shape_event(event, row, info.context.viewer)

    @subscription(
        Scope.PREDICTIONS_READ,
        "A prediction as it is, and again at each change of its status; completes after the terminal one.",
    )
    async def prediction_updated(self, info: Info, id: Id) -> AsyncGenerator[Prediction, None]:
        """Follows a prediction."""
        async with aclosing(streams.updates(info.context, row_id(id, "Prediction", path=("id",)))) as rows:
            async for row in rows:
                yield Prediction.from_row(row)
