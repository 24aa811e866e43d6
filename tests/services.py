"""The real services that tests use: where they are, and what happens when they are not there."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, TypeVar
from uuid import uuid4

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

POSTGRES_URL = os.environ.get("FORETELL_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
REDIS_URL = os.environ.get("FORETELL_TEST_REDIS_URL", "redis://127.0.0.1:6379/0")

T = TypeVar("T")


@contextmanager
def new_postgres_database() -> Iterator[str]:
    """Lends the URL of a new and empty database on the test server, and drops it afterwards."""
    name = f"foretell_test_{uuid4().hex[:12]}"
    _on_the_server(f'CREATE DATABASE "{name}"')
    try:
        yield POSTGRES_URL.rpartition("/")[0].replace("postgresql://", "postgresql+asyncpg://") + f"/{name}"
    finally:
        _on_the_server(f'DROP DATABASE "{name}" WITH (FORCE)')


async def redis_url() -> str:
    """Returns the URL of the test server, once it has answered. Take a prefix of your own there."""
    client = Redis.from_url(REDIS_URL, socket_connect_timeout=5)
    try:
        await client.ping()
    except RedisError as error:
        missing(f"no Redis server answers at FORETELL_TEST_REDIS_URL: {error}")
    finally:
        await client.aclose()
    return REDIS_URL


def free_port() -> int:
    """Returns a port that nobody uses now, and that the system gives to no connection in the meantime."""
    while True:
        port = random.randrange(10_000, 32_000)  # those from 32,768 on are the system's to give
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def missing(what: str) -> NoReturn:
    """Skips a test whose service is not there, by name; in CI, where it has to be, fails it."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine in a fixture that is none, and leaves no loop behind."""
    with asyncio.Runner() as runner:
        return runner.run(work)


def _on_the_server(statement: str) -> None:
    """Speaks to the server from a thread of its own: a fixture may be called while a loop runs."""
    with ThreadPoolExecutor(1) as threads:
        try:
            threads.submit(run, _execute(statement)).result()
        except OSError as error:
            missing(f"no PostgreSQL server answers at FORETELL_TEST_POSTGRES_URL: {error}")


async def _execute(statement: str) -> None:
    connection = await asyncpg.connect(POSTGRES_URL, timeout=10)
    await connection.execute(statement)
    await connection.close()
