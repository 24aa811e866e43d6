"""The clients that people use follow a text, are cut off, come back, and miss nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from foretell.settings import Settings
from tests.clients.node import installed, node
from tests.clients.served import served

SUITE = Path(__file__).parent / "protocols"

pytestmark = [pytest.mark.node, pytest.mark.slow]


async def test_clients_that_are_cut_off_in_mid_stream_miss_nothing(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(Settings(database_url=sqlite_url)) as server:
        monkeypatch.setenv("URL", f"{server.url}/graphql")
        monkeypatch.setenv("KEY", server.key)
        async with node("--test", "tokens.test.mjs", cwd=installed(SUITE)) as process:
            said, _ = await process.communicate()

    assert process.returncode == 0, said.decode()
    assert "# pass 5" in said.decode(), said.decode()
