from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from db.session import Database
from engine.backends.registry import BACKENDS
from tests.engine.jobs.bench import Bench, ManyToldBackend
from tests.engine.workshop import KIND, Workshop, opened_workshop


@pytest.fixture
def bench(workshop: Workshop, tmp_path: Path) -> Bench:
    """Jobs on SQLite; the backend takes one input at a time."""
    return Bench.of(workshop, tmp_path / "files")


@pytest.fixture
def any_bench(any_workshop: Workshop, tmp_path: Path) -> Bench:
    """The test runs twice: with jobs on SQLite, and on PostgreSQL."""
    return Bench.of(any_workshop, tmp_path / "files")


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> ManyToldBackend:
    """A backend that takes many inputs at once."""
    backend = ManyToldBackend()
    monkeypatch.setitem(BACKENDS, KIND, backend)
    return backend


@pytest.fixture
async def many_postgres_bench(
    postgres: Database, many: ManyToldBackend, tmp_path: Path
) -> AsyncIterator[Bench]:
    """Jobs on PostgreSQL; the backend takes many inputs at once."""
    async with opened_workshop(postgres, many) as workshop:
        yield Bench.of(workshop, tmp_path / "files")


@pytest.fixture
async def many_bench(database: Database, many: ManyToldBackend, tmp_path: Path) -> AsyncIterator[Bench]:
    """Jobs on SQLite; the backend takes many inputs at once."""
    async with opened_workshop(database, many) as workshop:
        yield Bench.of(workshop, tmp_path / "files")
