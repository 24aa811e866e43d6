"""Processes that system tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.services import free_port, new_postgres_database, redis_url
from tests.system.gates import Gate
from tests.system.processes import LEASE_SECONDS, Server, serving


@pytest.fixture
async def two_servers() -> AsyncIterator[tuple[Server, Server]]:
    """Two processes that share a database and a Redis, and nothing else."""
    redis = await redis_url()
    with new_postgres_database() as database:
        environment = {
            "FORETELL_DATABASE_URL": database,
            "FORETELL_REDIS_URL": redis,
            "FORETELL_LEASE_SECONDS": str(LEASE_SECONDS),
        }
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(serving(free_port(), environment))
            second = await stack.enter_async_context(serving(free_port(), environment, first.key))
            yield first, second


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """What the waiting model waits for, closed."""
    return Gate(tmp_path)
