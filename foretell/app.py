"""create_app: the whole application from its settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial

from fastapi import FastAPI
from starlette.types import ASGIApp

from engine.values import Viewer
from foretell import __version__, console, graphiql, http, logs, uploads
from foretell.auth import authenticate
from foretell.context import RequestContext
from foretell.direct import Direct
from foretell.documents import persisted_documents
from foretell.graphql import GraphQLEndpoint, Session, TransportOptions
from foretell.lifespan import running
from foretell.limiting import throttle
from foretell.metrics import Metrics
from foretell.metrics import router as metrics_router
from foretell.metrics.requests import RequestCounter
from foretell.observed import ObservedOperations
from foretell.operators import operators_port
from foretell.protection import AllowedHosts, Count, Front, SecureHeaders, allowing
from foretell.protection.hosts import allowed_hosts
from foretell.settings import Settings
from foretell.tracing import TracedRequests
from resolvers.context import Services
from schema import PUBLIC_FIELDS, compiled, schema
from schema.limits import DocumentLimits

GRAPHQL = "/graphql"


def create_app(settings: Settings, *, alone: bool = True) -> FastAPI:
    """Returns the application; nothing is opened before its lifespan begins.

    `app.state.shutdown` is the event to set when the process is told to end: streams end in an orderly
    way and `/ready` answers 503, so that the server's own shutdown has nothing left to wait for.
    One that shares its port with others is not `alone`, and serves no metrics there: they would be those
    of any.
    """
    app = Direct(title="Foretell", version=__version__, openapi_url=None, lifespan=_lifespan)
    app.state.settings = settings
    app.state.metrics = metrics = Metrics()
    app.state.shutdown = asyncio.Event()
    compiled.enabled = settings.compiled_executor
    endpoint = _endpoint(app, settings)
    app.state.endpoint = endpoint
    app.router.routes.extend(endpoint.routes(GRAPHQL))
    app.include_router(http.router)
    app.router.routes.extend(uploads.ROUTES)
    if settings.graphiql:
        app.include_router(graphiql.router)
    if settings.console:
        app.include_router(console.router)
    if alone and settings.metrics.port is None:
        app.include_router(metrics_router)
    protect = protection(settings, RequestCounter(metrics.instruments.http_requests))
    app.add_middleware(protect)
    app.direct["http", GRAPHQL] = protect(endpoint.http)
    app.direct["websocket", GRAPHQL] = protect(endpoint.websocket)
    return app


def protection(settings: Settings, count: Count) -> Callable[[ASGIApp], ASGIApp]:
    """Returns what puts before an application all that stands before every one of ours."""
    names = allowed_hosts(settings, settings.host)
    hosts = None if names is None else AllowedHosts(names)
    headers = SecureHeaders(over_tls=(settings.public_url or "").startswith("https://"))

    def protect(app: ASGIApp) -> ASGIApp:
        if settings.allowed_origins:
            app = allowing(app, settings.allowed_origins)
        app = Front(app, hosts=hosts, headers=headers, count=count)
        return app if settings.traces.endpoint is None else TracedRequests(app)

    return protect


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    metrics: Metrics = app.state.metrics
    async with (
        running(app.state.settings, metrics) as services,
        metrics.watching(services, app.state.endpoint),
    ):
        app.state.services = services
        async with operators_port(app.state.settings, app.state):
            yield
            app.state.shutdown.set()
            await app.state.endpoint.close()


def _endpoint(app: FastAPI, settings: Settings) -> GraphQLEndpoint:
    limits = document_limits(settings)

    async def who(headers: Mapping[str, str], address: str) -> Viewer | None:
        viewer = await authenticate(app.state.services.authenticator, headers, address)
        if viewer is not None:
            logs.name_caller(viewer.credential)
        return viewer

    def revocation(viewer: Viewer) -> AbstractContextManager[asyncio.Event]:
        services: Services = app.state.services
        return services.revocations.watching(viewer)

    def make_context(session: Session) -> RequestContext:
        services = app.state.services
        return RequestContext(
            services,
            session.request_id,
            session.viewer,
            session.left,
            address=session.address,
            limits=limits,
            throttle=throttle(services.limits, session),
        )

    return GraphQLEndpoint(
        schema,
        authenticate=who,
        make_context=make_context,
        documents=persisted_documents(settings),
        options=transport_options(settings),
        page=graphiql.page if settings.graphiql else None,
        public_fields=PUBLIC_FIELDS,
        shutdown=app.state.shutdown,
        make_operations=partial(ObservedOperations, metrics=app.state.metrics),
        revocation=revocation,
    )


def transport_options(settings: Settings) -> TransportOptions:
    """Returns what the transports may take up, and from which origins, from the settings."""
    own = [] if settings.public_url is None else [settings.public_url]
    return TransportOptions(
        max_body=settings.max_body_bytes,
        sockets_per_address=settings.connection.per_address,
        sockets_per_key=settings.connection.per_key,
        operations_per_socket=settings.connection.operations,
        allowed_origins=(*own, *settings.allowed_origins),
    )


def document_limits(settings: Settings) -> DocumentLimits:
    """Returns what a document may be, from the settings."""
    given = settings.document
    return DocumentLimits(
        bytes=given.max_bytes,
        tokens=given.max_tokens,
        depth=given.max_depth,
        fields=given.max_fields,
        aliases=given.max_aliases,
        cost=given.max_cost,
        page=given.max_page,
        introspection=settings.introspection,
    )
