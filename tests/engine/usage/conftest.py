import pytest

from db.session import Database
from tests.engine.usage.bookkeeping import Books, opened_books


@pytest.fixture
async def books(any_database: Database) -> Books:
    """The test runs twice: with books on SQLite, and on PostgreSQL."""
    return await opened_books(any_database)
