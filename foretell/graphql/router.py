"""Putting the transports together, as routes to be mounted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from strawberry import Schema

from foretell.graphql.caps import ConnectionCap
from foretell.graphql.documents import MemoryDocumentStore, PersistedDocuments
from foretell.graphql.endings import Endings
from foretell.graphql.http import HTTPTransport
from foretell.graphql.operations import Operations
from foretell.graphql.options import TransportOptions
from foretell.graphql.session import Authenticate, MakeContext, Revocation
from foretell.graphql.sse import EventStreams
from foretell.graphql.websocket import WebSocketTransport


class GraphQLEndpoint:
    """One schema, served over HTTP, Server-Sent Events and WebSocket at one address."""

    def __init__(
        self,
        schema: Schema,
        *,
        authenticate: Authenticate,
        make_context: MakeContext,
        documents: PersistedDocuments | None = None,
        options: TransportOptions | None = None,
        public_fields: Iterable[str] = (),
        page: Callable[[], Response] | None = None,
        shutdown: asyncio.Event | None = None,
        revocation: Revocation | None = None,
        make_operations: Callable[..., Operations] = Operations,
    ) -> None:
        options = options or TransportOptions()
        endings = Endings(shutdown or asyncio.Event(), revocation)
        self._by_address = by_address = ConnectionCap(options.sockets_per_address, "address")
        by_key = ConnectionCap(options.sockets_per_key, "key")
        self.operations = make_operations(
            schema,
            authenticate=authenticate,
            make_context=make_context,
            documents=documents or PersistedDocuments(MemoryDocumentStore()),
            public_fields=public_fields,
        )
        streams = EventStreams(self.operations, options, endings, by_address, by_key)
        self.http = HTTPTransport(self.operations, options, streams, page)
        self.websocket = WebSocketTransport(self.operations, options, endings, by_address, by_key)

    @property
    def open_connections(self) -> int:
        """How many sockets and event streams are open now."""
        return self._by_address.total

    def routes(self, path: str = "/graphql") -> list[BaseRoute]:
        """Return the routes of the endpoint; both are plain ASGI, which costs a request nothing."""
        return [
            Route(path, self.http, include_in_schema=False),
            WebSocketRoute(path, self.websocket),
        ]

    async def close(self) -> None:
        """Wait for the mutations whose callers went away, and let go of the documents.

        To be called while the services that mutations use are still open.
        """
        await self.operations.drain()
        await self.operations.documents.store.close()
