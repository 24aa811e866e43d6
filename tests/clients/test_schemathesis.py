"""schemathesis makes documents up from the schema; each gets an answer that schema and promises allow."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from foretell.settings import Settings
from tests.clients.python_tool import installed
from tests.clients.served import Served, served

SUITE = Path(__file__).parent / "schemathesis"
EXAMPLES = 25
"""Documents for each root field."""

pytestmark = pytest.mark.slow


async def ids(app: Served) -> list[str]:
    """Global ids of what there is."""
    async with httpx.AsyncClient(headers={"X-API-Key": app.key}) as client:
        response = await client.post(
            f"{app.url}/graphql",
            json={"query": "{ models { nodes { id defaultVersion { id } } } viewer { id project { id } } }"},
        )
    data = response.json()["data"]
    found = [data["viewer"]["id"], data["viewer"]["project"]["id"]]
    for model in data["models"]["nodes"]:
        found += [model["id"], model["defaultVersion"]["id"]]
    return found


@pytest.mark.timeout(300)
async def test_documents_made_up_from_the_schema_are_answered_rightly(
    sqlite_url: str, tmp_path: Path
) -> None:
    tool = await asyncio.to_thread(installed, SUITE)

    async with served(Settings(database_url=sqlite_url)) as app:
        process = await asyncio.create_subprocess_exec(
            *(tool / "schemathesis", "run", f"{app.url}/graphql"),
            *("--header", f"X-API-Key: {app.key}"),
            *("--checks", "answers_are_valid", "--max-examples", str(EXAMPLES), "--no-color"),
            cwd=tmp_path,
            env={"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(SUITE), "IDS": ",".join(await ids(app))},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()

    assert process.returncode == 0, said.decode()
    assert "passed" in said.decode(), said.decode()
