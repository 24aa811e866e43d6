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
        live = _Live(results, self.options.heartbeat)
        with self.endings.telling(session.viewer, live.end):
            try:
                async for event in live.events():
                    yield event
                if live.ending is not None:
                    yield next_event(ended(live.ending, session.request_id), session.request_id)
                    if live.ending is not Ending.SHUTDOWN:
                        yield COMPLETE  # without it clients connect again, which helps after a restart only
            finally:
                await live.close()


class _Live:
    """The events of a stream as they come, until it ends or we end it.

    One task reads them, one at a time: to wait for whatever comes first with a task for each took longer than
    to make the event.
    """

    def __init__(self, results: AsyncGenerator[bytes, None], heartbeat: float) -> None:
        self.ending: Ending | None = None
        self._heartbeat = heartbeat
        self._event: bytes | None = None
        self._news: asyncio.Future[None] | None = None
        self._taken = asyncio.Event()
        self._reader = asyncio.create_task(self._read(results))
        self._reader.add_done_callback(lambda _: self._wake())

    def end(self, ending: Ending) -> None:
        """End the stream."""
        self.ending = self.ending or ending
        self._wake()

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Yield each event, and comments while there are none."""
        loop = asyncio.get_running_loop()
        while self.ending is None:
            if self._event is not None:
                event, self._event = self._event, None
                self._taken.set()
                yield event
            elif self._reader.done():
                return
            else:
                self._news = loop.create_future()
                silence = loop.call_later(self._heartbeat, self._wake)
                try:
                    await self._news
                finally:
                    silence.cancel()
                if self._event is None and self.ending is None and not self._reader.done():
                    yield HEARTBEAT

    async def close(self) -> None:
        """Leave the stream, and return when all that made it has cleaned up."""
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader

    async def _read(self, results: AsyncGenerator[bytes, None]) -> None:
        async with aclosing(results):
            async for event in results:
                self._event = event
                self._taken.clear()
                self._wake()
                await self._taken.wait()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


def ended(ending: Ending, request_id: str) -> Payload:
    """Return the last event of a stream that we end: after a restart the client may come back at once."""
    code = "UNAVAILABLE" if ending is Ending.SHUTDOWN else "UNAUTHENTICATED"
    shown = failure(Refused(ending.value, code=code), request_id)
    shown["errors"][0]["extensions"]["retryable"] = ending is Ending.SHUTDOWN
    return shown
