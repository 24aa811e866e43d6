"""A whole installation: PostgreSQL, Redis, API processes and workers, each to be ended and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.servers import OwnPostgres, OwnRedis, own_postgres, own_redis
from tests.services import free_port
from tests.system.processes import ROOT, Server, eventually, is_ready

START_SECONDS = 120.0


@dataclass
class Member:
    """One of our processes; `port` is where it tells whether it is ready."""

    arguments: tuple[str, ...]
    port: int
    environment: Mapping[str, str]
    log: Path
    process: asyncio.subprocess.Process | None = None
    codes: list[int] = field(default_factory=list)
    """The exit codes of those that were told to end."""

    async def start(self) -> None:
        """Starts it, and returns when it is ready."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "foretell", *self.arguments),
                cwd=ROOT,
                env={**os.environ, "FORETELL_LOG_LEVEL": "error", **self.environment},
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        await eventually(self._is_ready, START_SECONDS)

    def freeze(self) -> None:
        """Stops it where it stands: it does nothing, and whoever waits for it does not learn why."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on, as if no time had passed."""
        self._send(signal.SIGCONT)

    async def kill(self) -> None:
        """Ends it as the kernel does that has no memory left."""
        await self._end(signal.SIGKILL)

    async def close(self) -> None:
        """Ends it, if it was started."""
        if self.process is not None:
            await self.kill()

    async def stop(self) -> None:
        """Tells it to end, as a deployment does."""
        self.codes.append(await self._end(signal.SIGTERM))

    async def _is_ready(self) -> bool:
        assert self.process is not None
        code = self.process.returncode
        if code is not None:
            pytest.fail(f"{self.arguments} ended with {code} before it was ready: {self.log.read_text()}")
        return await is_ready(self.port)

    async def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self._send(number)
        return await self.process.wait()

    def _send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)


@dataclass
class Fleet:
    """All of it."""

    postgres: OwnPostgres
    redis: OwnRedis
    apis: list[Member]
    workers: list[Member]
    key: str = ""

    @property
    def servers(self) -> list[Server]:
        """The API processes, as clients see them."""
        found = []
        for member in self.apis:
            assert member.process is not None
            found.append(Server(member.process, f"http://127.0.0.1:{member.port}", self.key))
        return found


@asynccontextmanager
async def fleet(folder: Path, environment: Mapping[str, str]) -> AsyncIterator[Fleet]:
    """Starts two API processes over a PostgreSQL and a Redis of their own; two workers are to be started."""
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(own_postgres(folder))
        redis = await stack.enter_async_context(own_redis(folder))
        shared = {
            "FORETELL_DATABASE_URL": postgres.url,
            "FORETELL_REDIS_URL": redis.url,
            "FORETELL_DATA_DIRECTORY": str(folder / "data"),
            "FORETELL_INFERENCE_THREADS": "1",
            **environment,
        }
        apis = [_api(folder, free_port(), shared) for _ in range(2)]
        workers = [_worker(folder, free_port(), shared) for _ in range(2)]
        for member in (*apis, *workers):
            stack.push_async_callback(member.close)
        await apis[0].start()
        first = apis[0].process
        assert first is not None
        assert first.stdout is not None
        key = (await first.stdout.readline()).decode().strip()
        await apis[1].start()
        yield Fleet(postgres, redis, apis, workers, key)


def _api(folder: Path, port: int, environment: Mapping[str, str]) -> Member:
    # Workers run the jobs, so that each part does one thing.
    own = {**environment, "FORETELL_WORKER_SLOTS": "0"}
    return Member(("serve", "--port", str(port)), port, own, folder / f"serve-{port}.log")


def _worker(folder: Path, port: int, environment: Mapping[str, str]) -> Member:
    own = {**environment, "FORETELL_METRICS_PORT": str(port)}
    return Member(("worker", "--concurrency", "2"), port, own, folder / f"worker-{port}.log")
