"""Boards as two processes see them: they share a memory, or a Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest

from db.session import Database
from engine.backends.registry import BACKENDS
from engine.bus.redis import RedisBus
from engine.routing.base import Board
from engine.routing.memory import MemoryBoard
from engine.routing.redis import RedisBoard
from tests.background import in_background
from tests.engine.routing.fleet import Backends, Fleet, opened_fleet
from tests.engine.workshop import KIND
from tests.services import redis_url


@pytest.fixture
async def fleet(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fleet]:
    """A model with three versions, on SQLite."""
    backends = Backends()
    monkeypatch.setitem(BACKENDS, KIND, backends)
    async with opened_fleet(database, backends) as fleet:
        yield fleet


@pytest.fixture
async def any_fleet(any_database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fleet]:
    """The test runs twice: with such a model on SQLite, and with one on PostgreSQL."""
    backends = Backends()
    monkeypatch.setitem(BACKENDS, KIND, backends)
    async with opened_fleet(any_database, backends) as fleet:
        yield fleet


@dataclass
class Boards:
    """Two views of the same circuits."""

    here: Board
    there: Board


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def boards(request: pytest.FixtureRequest) -> AsyncIterator[Boards]:
    """The test runs twice: within a process, and with two processes that share a Redis."""
    if request.param == "memory":
        board = MemoryBoard()
        yield Boards(board, board)
        return
    url, prefix = await redis_url(), f"test-{uuid4().hex}"
    async with AsyncExitStack() as stack:
        yield Boards(*[await stack.enter_async_context(redis_board(url, prefix)) for _ in range(2)])


@asynccontextmanager
async def redis_board(url: str, prefix: str) -> AsyncIterator[Board]:
    """The board of a process that shares a Redis."""
    bus = RedisBus(url, prefix=prefix)
    await bus.open()
    board = RedisBoard(url, bus, prefix=prefix)
    try:
        async with in_background(board.run()):
            yield board
    finally:
        await board.close()
        await bus.close()
