"""Running JavaScript that stands in a folder beside the tests, with the packages its lock file names."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

INSTALL = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]


def installed(folder: Path) -> Path:
    """The folder, with its packages in place. Skips without Node, and fails where nothing may be skipped."""
    if not shutil.which("npm"):
        missing = "not installed: Node.js and npm"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    lock, stamp = folder / "package-lock.json", folder / "node_modules" / ".installed-lock.json"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        subprocess.run(INSTALL, cwd=folder, check=True)
        shutil.copyfile(lock, stamp)
    return folder


@asynccontextmanager
async def node(*command: str | Path, cwd: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Node process; killed when the context is left before it has ended."""
    process = await asyncio.create_subprocess_exec(
        "node", *map(str, command), cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def output(*command: str | Path, cwd: Path) -> str:
    """What a Node process prints; fails with all it said when it fails."""
    async with node(*command, cwd=cwd) as process:
        said, complained = await process.communicate()
        assert process.returncode == 0, f"{said.decode()}\n{complained.decode()}"
        return said.decode()
