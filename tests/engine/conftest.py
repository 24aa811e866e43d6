from collections.abc import AsyncIterator

import pytest

from db.session import Database
from engine.backends.registry import BACKENDS
from tests.engine.workshop import KIND, ToldBackend, Workshop, opened_workshop


@pytest.fixture
def told_backend(monkeypatch: pytest.MonkeyPatch) -> ToldBackend:
    """A backend that does what the test tells it, registered for its kind."""
    backend = ToldBackend()
    monkeypatch.setitem(BACKENDS, KIND, backend)
    return backend


@pytest.fixture
async def workshop(database: Database, told_backend: ToldBackend) -> AsyncIterator[Workshop]:
    """An engine on SQLite, with the told backend."""
    async with opened_workshop(database, told_backend) as workshop:
        yield workshop


@pytest.fixture
async def any_workshop(any_database: Database, told_backend: ToldBackend) -> AsyncIterator[Workshop]:
    """The test runs twice: with an engine on SQLite, and with one on PostgreSQL."""
    async with opened_workshop(any_database, told_backend) as workshop:
        yield workshop
