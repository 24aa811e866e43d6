"""Following a prediction: its text as it is generated, and its status as it changes.

The bus tells at once; the database is asked where the bus has nothing, and every few seconds in any
case, so that a lost message delays a subscriber but never leaves it hanging.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from db.queries import predictions as queries
from db.session import Database
from db.tables import PredictionRow
from engine.errors import NotFoundError
from engine.events import End, Snapshot, StreamEvent
from engine.values import PredictionStatus
from resolvers.context import Context

TICK_SECONDS = 5.0
FIRST_RETRY_SECONDS, RETRY_SECONDS = 0.01, 0.25
"""How long to wait for a text that has not begun: each time twice as long, so that most begin at once."""


async def tokens(
    context: Context, prediction_id: str, after: int
) -> AsyncGenerator[tuple[StreamEvent, PredictionRow | None], None]:
    """Yields the events of a text stream after a number; with the `End` comes the finished prediction.

    Raises:
        NotFoundError: the project has no such prediction.
    """
    row, wait = await _prediction(context, prediction_id), FIRST_RETRY_SECONDS
    while not PredictionStatus(row.status).is_terminal:
        async with aclosing(context.services.bus.follow(prediction_id, after)) as events:
            async for event in events:
                if isinstance(event, End):
                    yield _last(event, after), await _finished(context, prediction_id, event)
                    return
                after = event.sequence
                yield event, None
        row = await _prediction(context, prediction_id)
        if PredictionStatus(row.status).is_terminal:
            context.services.bus.abandon(prediction_id)  # the others wait for what this one has found out
        else:
            await asyncio.sleep(wait)
            wait = min(2 * wait, RETRY_SECONDS)
    async for event in _replay(context, row, after):
        yield event, row if isinstance(event, End) else None


async def updates(context: Context, prediction_id: str) -> AsyncGenerator[PredictionRow, None]:
    """Yields a prediction as it is, and again at each change of its status, up to the terminal one.

    Raises:
        NotFoundError: the project has no such prediction.
    """
    with context.services.bus.watch(f"prediction:{prediction_id}") as news:
        shown: str | None = None
        while True:
            row = await _prediction(context, prediction_id)
            if row.status != shown:
                shown = row.status
                yield row
            if PredictionStatus(row.status).is_terminal:
                return
            await news.next(TICK_SECONDS)


async def _replay(context: Context, row: PredictionRow, after: int) -> AsyncGenerator[StreamEvent, None]:
    """Yields the rest of a stream that is over: what the bus still has piece by piece, else all at once."""
    async with aclosing(context.services.bus.follow(row.id, after)) as events:
        async for event in events:
            if isinstance(event, End):
                yield _last(event, after)
                return
            after = event.sequence
            yield event
    async with context.services.database.read() as connection:
        outputs = await queries.blobs(connection, row.project_id, "output", [row.id])
    output = outputs.get(row.id) or {}
    last = output.get("lastSequence", 0)
    if after < last:
        yield Snapshot(last, output["text"])
    yield _last(End(last + 1), after)


def _last(end: End, after: int) -> End:
    """Returns the end with the number that comes next for this reader.

    It may have seen more than is left of the stream: the writer was killed before the others heard of it, or
    Redis before it was on its disk.
    """
    return end if end.sequence > after else End(after + 1)


async def _prediction(context: Context, prediction_id: str) -> PredictionRow:
    return _seen(context, await _row(context.services.database, context.viewer.project_id, prediction_id))


async def _finished(context: Context, prediction_id: str, end: End) -> PredictionRow:
    """Returns a prediction whose text has ended.

    Where it was finished in this process its row came with the end; else those who come to it share a look.
    """
    project_id = context.viewer.project_id
    look = end.shared.get(project_id)
    if look is None:
        reading = _row(context.services.database, project_id, prediction_id)
        look = end.shared[project_id] = asyncio.ensure_future(reading)
    if isinstance(look, asyncio.Future):
        look = await asyncio.shield(look)  # whoever came first may leave first
    return _seen(context, look)


async def _row(database: Database, project_id: str, prediction_id: str) -> PredictionRow | None:
    async with database.read() as connection:
        rows = await queries.by_id(connection, project_id, [prediction_id])
    return rows[0] if rows else None


def _seen(context: Context, row: PredictionRow | None) -> PredictionRow:
    if row is None or not context.viewer.sees(row.model_id):
        raise NotFoundError("There is no such prediction.")
    return row
