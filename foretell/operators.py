"""The port for operators: `/metrics`, `/health` and `/ready`, apart from what clients reach."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI
from starlette.datastructures import State

from foretell import http
from foretell.listening import listening
from foretell.metrics import router
from foretell.protection import AllowedHosts, Front, SecureHeaders
from foretell.protection.hosts import allowed_hosts
from foretell.settings import Settings


@asynccontextmanager
async def operators_port(settings: Settings, state: State) -> AsyncIterator[None]:
    """Serves it, if the settings name one, for as long as the context lasts.

    `state` holds what an application's does: settings, services, metrics, and the event of its shutdown.

    Raises:
        PortError: somebody else has the port.
    """
    if settings.metrics.port is None:
        yield
        return
    app = FastAPI(openapi_url=None)
    app.state = state
    app.include_router(http.router)
    app.include_router(router)
    names = allowed_hosts(settings, settings.metrics.host)
    hosts = None if names is None else AllowedHosts(names)
    app.add_middleware(Front, hosts=hosts, headers=SecureHeaders(over_tls=False))
    listener = listening(settings.metrics.host, settings.metrics.port, "FORETELL_METRICS_PORT")
    server = _Quiet(
        uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
    )
    serving = asyncio.create_task(server.serve([listener]), name="port for operators")
    try:
        yield
    finally:
        server.should_exit = True
        await asyncio.wait([serving])


class _Quiet(uvicorn.Server):
    """A server that leaves signals to the one beside it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield
