"""GraphQL over Server-Sent Events, distinct connections mode: one operation, one stream.

The protocol is that of graphql-sse (https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md): a
`next` event for each result, `complete` at the end. Lines end in LF, because urql looks for two of those.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass

from starlette.responses import Response, StreamingResponse
from strawberry.types.graphql import OperationType

from foretell.graphql.caps import ConnectionCap
from foretell.graphql.endings import Ending, Endings
from foretell.graphql.operations import Operations, Payload, encode, failure, not_allowed, payload
from foretell.graphql.options import TransportOptions
from foretell.graphql.requests import OperationRequest, Refused
from foretell.graphql.session import Context, Session

HEADERS = {
    "Cache-Control": "no-cache, no-transform",
    "Vary": "Accept, Authorization, X-API-Key",
    "X-Accel-Buffering": "no",  # nginx would hold events back until its buffer is full
}

COMPLETE = b"event: complete\ndata: \n\n"
HEARTBEAT = b": \n\n"


def next_event(shown: Payload, request_id: str) -> bytes:
    """Return a `next` event; JSON has no line breaks of its own, so one `data` line holds it."""
    return b"event: next\ndata: " + encode(shown, request_id) + b"\n\n"


@dataclass(frozen=True, slots=True)
class EventStreams:
    """Answers requests with event streams."""

    operations: Operations
    options: TransportOptions
    endings: Endings
    by_address: ConnectionCap
    by_key: ConnectionCap

    async def respond(self, method: str, asked: OperationRequest, session: Session) -> Response:
        """Return the stream of an operation's results.

        Raises Refused when there is nothing to run, or no room; what is wrong with the operation itself is
        told by the stream's first event, as the protocol wants.
        """
        self.by_address.require_room(session.address)
        self.by_key.require_room(session.holder)
        context = self.operations.make_context(session)
        text = await self.operations.text(asked, context.limits)
        self.operations.require_viewer(text, asked, session.viewer, context.limits)
        if method == "GET" and self.operations.kind(text, asked, context.limits) is OperationType.MUTATION:
            raise not_allowed(OperationType.MUTATION)
        events = self._events(text, asked, session, context)
        return StreamingResponse(events, media_type="text/event-stream", headers=HEADERS)

    async def _events(
        self, text: str, asked: OperationRequest, session: Session, context: Context
    ) -> AsyncGenerator[bytes, None]:
        results = self._results(text, asked, context)
        with self.by_address.held(session.address), self.by_key.held(session.holder):
            try:
                async with aclosing(self._guarded(results, session)) as events:
                    async for event in events:
                        yield event
            finally:
                session.left.set()

    async def _results(
        self, text: str, asked: OperationRequest, context: Context
    ) -> AsyncGenerator[bytes, None]:
        """Yield the events of the operation, errors included, and `complete`."""
        ours = context.request_id
        try:
            async with aclosing(self.operations.stream(text, asked, context)) as results:
                async for result in results:
                    yield next_event(payload(result, context), ours)
        except Exception as error:
            yield next_event(failure(error, ours), ours)
        yield COMPLETE

    async def _guarded(
        self, results: AsyncGenerator[bytes, None], session: Session
    ) -> AsyncGenerator[bytes, None]:
        """Yield the results, comments while there are none, and an error when we end the stream ourselves."""
        ending = asyncio.create_task(self.endings.wait(session.viewer))
        upcoming: asyncio.Task[bytes] | None = None
        try:
            while not ending.done():
                upcoming = upcoming or asyncio.ensure_future(anext(results))
                await asyncio.wait(
                    {upcoming, ending}, timeout=self.options.heartbeat, return_when=asyncio.FIRST_COMPLETED
                )
                if upcoming.done():
                    finished, upcoming = upcoming, None
                    yield finished.result()
                elif not ending.done():
                    yield HEARTBEAT
            yield next_event(ended(ending.result(), session.request_id), session.request_id)
            if ending.result() is not Ending.SHUTDOWN:
                yield COMPLETE  # without it clients connect again, which helps after a restart only
        except StopAsyncIteration:
            return
        finally:
            ending.cancel()
            await _close(results, upcoming)


def ended(ending: Ending, request_id: str) -> Payload:
    """Return the last event of a stream that we end: after a restart the client may come back at once."""
    code = "UNAVAILABLE" if ending is Ending.SHUTDOWN else "UNAUTHENTICATED"
    shown = failure(Refused(ending.value, code=code), request_id)
    shown["errors"][0]["extensions"]["retryable"] = ending is Ending.SHUTDOWN
    return shown


async def _close(results: AsyncGenerator[bytes, None], upcoming: asyncio.Task[bytes] | None) -> None:
    if upcoming:
        upcoming.cancel()
        with suppress(asyncio.CancelledError, StopAsyncIteration):
            await upcoming
    await results.aclose()
