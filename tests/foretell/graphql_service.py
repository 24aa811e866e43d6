"""A small service around the GraphQL endpoint: a schema that shows every kind of answer, behind one key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp
from strawberry.schema.config import StrawberryConfig
from strawberry.types import Info

import executor
from engine.errors import ForbiddenError, NotFoundError, UnauthenticatedError
from engine.values import Scope, Viewer
from foretell.frames import SocketConnection
from foretell.graphql import GraphQLEndpoint, Session
from schema.directives import CONNECTION_SIZE, Cost
from schema.extensions import EXTENSIONS, ForetellSchema, Throttle
from schema.limits import DocumentLimits
from schema.scalars import JSON, SCALARS

KEY = "fk_right"
EXPIRING = "fk_expiring"
HEADERS = {"Authorization": f"Bearer {KEY}"}
NEW = {"Accept": "application/graphql-response+json"}


@dataclass
class Context:
    session: Session
    service: Service
    limits: DocumentLimits
    throttle: Throttle | None = None
    renewed: int = 0

    @property
    def request_id(self) -> str:
        return self.session.request_id

    def renew_loaders(self) -> None:
        self.renewed += 1


ContextInfo = Info[Context, None]


def field_with(directive: object) -> Callable[[Callable[..., Any]], Any]:
    """`strawberry.field` with a directive; its own type is Any, which mypy counts as untyped."""
    return cast(Callable[[Callable[..., Any]], Any], strawberry.field(directives=[directive]))


@strawberry.type
class Item:
    name: str

    @strawberry.field
    def parent(self) -> Item:
        return self

    @field_with(CONNECTION_SIZE)
    def children(self, first: int | None = None, last: int | None = None) -> ItemConnection:
        return ItemConnection(nodes=[self] * (first or last or 20))

    @field_with(Cost(weight="5"))
    def usage(self) -> float:
        return 0.5


@strawberry.type
class ItemConnection:
    nodes: list[Item]


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str = "world") -> str:
        return f"hello {name}"

    @strawberry.field
    def item(self) -> Item:
        return Item(name="one")

    @field_with(CONNECTION_SIZE)
    def items(self, first: int | None = None, last: int | None = None) -> ItemConnection:
        return ItemConnection(nodes=[Item(name="one")] * (first or last or 20))

    @strawberry.field
    def total(self, numbers: list[int]) -> int:
        return sum(numbers)

    @strawberry.field
    def broken(self) -> str | None:
        raise ValueError("the secret is 42")

    @strawberry.field
    def badly_broken(self) -> str:
        raise ValueError("the secret is 42")

    @strawberry.field
    def wrong_type(self) -> int | None:
        return "the secret is 42"  # type: ignore[return-value]

    @strawberry.field
    def missing(self) -> str | None:
        raise NotFoundError("No such item.")

    @strawberry.field
    def forbidden(self) -> str | None:
        raise ForbiddenError

    @strawberry.field
    def echo(self, value: JSON) -> JSON:
        return value

    @strawberry.field
    def not_a_number(self) -> JSON | None:
        return JSON([1.0, float("nan")])

    @strawberry.field
    def header(self, info: ContextInfo) -> str:
        info.context.session.response_headers["X-Extra"] = "yes"
        return "set"

    @strawberry.field
    async def slow(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def write(self, info: ContextInfo, name: str, seconds: float = 0) -> str:
        await asyncio.sleep(seconds)
        info.context.service.written.append(name)
        return name

    @strawberry.mutation
    def login(self) -> str:
        return "welcome"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, info: ContextInfo, to: int, seconds: float = 0) -> AsyncGenerator[int, None]:
        service = info.context.service
        service.watching += 1
        try:
            for number in range(1, to + 1):
                await asyncio.sleep(seconds)
                yield number
        finally:
            service.watching -= 1

    @strawberry.subscription
    async def renewals(self, info: ContextInfo) -> AsyncGenerator[int, None]:
        for _ in range(3):
            yield info.context.renewed

    @strawberry.subscription
    async def breaks(self) -> AsyncGenerator[int, None]:
        yield 1
        raise ValueError("the secret is 42")

    @strawberry.subscription
    async def silence(self) -> AsyncGenerator[int, None]:
        await asyncio.Event().wait()
        yield 1


schema = ForetellSchema(
    Query, Mutation, Subscription, config=StrawberryConfig(scalar_map=SCALARS), extensions=EXTENSIONS
)
executor.install(schema)


@dataclass
class Service:
    """The endpoint, and what its resolvers did."""

    limits: DocumentLimits = field(default_factory=DocumentLimits)
    throttle: Throttle | None = None
    options: dict[str, Any] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    watching: int = 0
    shutdown: asyncio.Event = field(default_factory=asyncio.Event)
    revoked: asyncio.Event = field(default_factory=asyncio.Event)
    sessions: list[Session] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.endpoint = GraphQLEndpoint(
            schema,
            authenticate=self.authenticate,
            make_context=self.context,
            shutdown=self.shutdown,
            revocation=lambda viewer: nullcontext(self.revoked),
            **self.options,
        )
        self.app = Starlette(routes=self.endpoint.routes("/graphql"))

    async def authenticate(self, headers: Mapping[str, str], address: str) -> Viewer | None:
        credential = headers.get("authorization", "").removeprefix("Bearer ") or headers.get("x-api-key")
        if not credential:
            return None
        if credential == "fk_explosive":
            raise RuntimeError("the secret is 42")
        if credential not in (KEY, EXPIRING):
            raise UnauthenticatedError
        expires_at = datetime.now(UTC) + timedelta(seconds=0.3) if credential == EXPIRING else None
        return Viewer("p1", credential, "test", frozenset(Scope), expires_at)

    def context(self, session: Session) -> Context:
        self.sessions.append(session)
        return Context(session, self, self.limits, self.throttle)

    def client(self, **headers: str) -> httpx.AsyncClient:
        """A client that talks to the application without a socket."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://test", headers={**HEADERS, **headers})


@asynccontextmanager
async def serving(app: ASGIApp, **options: Any) -> AsyncIterator[str]:
    """Serve the application on a free port of the loopback interface; yield `127.0.0.1:port`."""
    given = {"ws": SocketConnection, "ws_per_message_deflate": False, **options}
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off", **given)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    try:
        yield f"{host}:{port}"
    finally:
        server.should_exit = True
        server.force_exit = True
        await task
