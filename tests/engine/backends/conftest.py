from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.servers.openai_compatible import ModelServer


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    """A small server that speaks OpenAI's API and goes wrong where a test tells it to."""
    async with ModelServer().serving() as server:
        yield server
