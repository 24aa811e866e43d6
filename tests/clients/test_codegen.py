"""`schema.graphql` is what typed clients are made from: with relay-compiler, graphql-codegen and tsc."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.clients.node import installed, output

SUITE = Path(__file__).parent / "codegen"

pytestmark = [pytest.mark.node, pytest.mark.slow]


async def tool(*command: str) -> str:
    """Runs a tool of the suite; returns all that it says."""
    process = await asyncio.create_subprocess_exec(
        *("npx", "--no-install", *command),
        cwd=SUITE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def test_typed_clients_compile_and_their_mistakes_do_not() -> None:
    installed(SUITE)
    shutil.rmtree(SUITE / "__generated__", ignore_errors=True)

    await output("generate.mjs", cwd=SUITE)
    await tool("relay-compiler", "relay.config.json")
    await tool("tsc", "--project", ".")

    made = {file.name for file in (SUITE / "__generated__").rglob("*.ts")}
    assert made >= {"schema.ts", "operations.ts", "catalog_models.graphql.ts"}
