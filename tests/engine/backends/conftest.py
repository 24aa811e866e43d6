from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.servers.litellm import running_litellm
from tests.servers.openai_compatible import ModelServer, served_elsewhere


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    """A small server that speaks OpenAI's API and goes wrong where a test tells it to."""
    async with ModelServer().serving() as server:
        yield server


@pytest.fixture(scope="session")
def litellm_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a LiteLLM proxy, in front of a server that goes wrong where a test tells it to."""
    with served_elsewhere() as behind, running_litellm(tmp_path_factory.mktemp("litellm"), behind) as url:
        yield url
