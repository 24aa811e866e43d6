"""Whole processes, as an operator starts them: `foretell serve` on a port of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

import httpx

START_SECONDS = 60.0
LEASE_SECONDS = 3
ROOT = Path(__file__).resolve().parents[2]


class Server:
    """A running `foretell serve`."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, key: str) -> None:
        self.process = process
        self.url = url
        self.key = key

    @property
    def socket_url(self) -> str:
        """Where its WebSocket is."""
        return f"{self.url.replace('http', 'ws', 1)}/graphql"

    async def ask(self, document: str, **variables: Any) -> dict[str, Any]:
        """Returns the data of an operation; fails when the answer holds errors."""
        headers = {"Authorization": f"Bearer {self.key}"}
        async with httpx.AsyncClient(timeout=60) as client:
            body = {"query": document, "variables": variables}
            answer = (await client.post(f"{self.url}/graphql", json=body, headers=headers)).json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    async def kill(self) -> None:
        """Ends it as the kernel would: at once, with nothing tidied up."""
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


@asynccontextmanager
async def serving(
    port: int,
    environment: Mapping[str, str],
    key: str = "",
    *,
    module: str = "foretell",
    stderr: int | IO[bytes] = asyncio.subprocess.DEVNULL,
) -> AsyncIterator[Server]:
    """Starts a server and yields it when it is ready.

    `key` is the admin key where one was made before; `module` is what is run in the place of Foretell,
    and `stderr` where its logs go.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        "serve",
        "--port",
        str(port),
        cwd=ROOT,
        env={**os.environ, "FORETELL_LOG_LEVEL": "warning", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
    )
    assert process.stdout is not None
    try:
        first_key = "" if key else (await asyncio.wait_for(process.stdout.readline(), START_SECONDS)).decode()
        server = Server(process, f"http://127.0.0.1:{port}", key or first_key.strip())
        await until_ready(server)
        yield server
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def eventually(is_so: Callable[[], Awaitable[bool]], seconds: float = START_SECONDS) -> None:
    """Waits until something is so; it is looked at ten times a second."""
    async with asyncio.timeout(seconds):
        while not await is_so():  # noqa: ASYNC110 - other processes make it so
            await asyncio.sleep(0.1)


async def is_ready(port: int) -> bool:
    """Tells whether the process at a port says that it is ready."""
    async with httpx.AsyncClient() as client:
        try:
            return (await client.get(f"http://127.0.0.1:{port}/ready")).status_code == 200
        except httpx.TransportError:
            return False


async def until_ready(server: Server) -> None:
    """Waits until a server says that it is."""
    async with asyncio.timeout(START_SECONDS), httpx.AsyncClient() as client:
        while True:
            assert server.process.returncode is None, "the server ended before it was ready"
            try:
                if (await client.get(f"{server.url}/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
