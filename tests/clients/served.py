"""The whole application on a free port, with a database and an admin key of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from asgi_lifespan import LifespanManager
from fastapi import FastAPI

from foretell.app import create_app
from foretell.lifespan import first_secret
from foretell.settings import Settings
from tests.foretell.graphql_service import serving


@dataclass(frozen=True)
class Served:
    """Where the application answers, and with which key."""

    app: FastAPI
    url: str
    key: str


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[Served]:
    """Open the application and serve it."""
    app = create_app(settings)
    async with LifespanManager(app, startup_timeout=60, shutdown_timeout=60), serving(app) as address:
        key = await first_secret(app.state.services.database)
        assert key is not None
        yield Served(app, f"http://{address}", key)
