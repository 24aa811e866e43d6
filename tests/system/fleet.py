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
    process: asyncio.subprocess.Process | None = None
    codes: list[int] = field(default_factory=list)
    """The exit codes of those that were told to end."""

    async def start(self) -> None:
        """Starts it, and returns when it is ready."""
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "foretell", *self.arguments),
            cwd=ROOT,
            env={**os.environ, "FORETELL_LOG_LEVEL": "error", **self.environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await eventually(lambda: is_ready(self.port), START_SECONDS)

    async def kill(self) -> None:
        """Ends it as the kernel does that has no memory left."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Tells it to end, as a deployment does."""
        self.codes.append(await self._end(signal.SIGTERM))

    async def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.process.wait()


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
    """Starts two API processes and two workers over a PostgreSQL and a Redis of their own."""
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
        apis = [_api(free_port(), shared) for _ in range(2)]
        workers = [_worker(free_port(), shared) for _ in range(2)]
        for member in (*apis, *workers):
            stack.push_async_callback(member.kill)
        await apis[0].start()
        first = apis[0].process
        assert first is not None
        assert first.stdout is not None
        key = (await first.stdout.readline()).decode().strip()
        await asyncio.gather(*(member.start() for member in (apis[1], *workers)))
        yield Fleet(postgres, redis, apis, workers, key)


def _api(port: int, environment: Mapping[str, str]) -> Member:
    # Workers run the jobs, so that each part does one thing.
    return Member(("serve", "--port", str(port)), port, {**environment, "FORETELL_WORKER_SLOTS": "0"})


def _worker(port: int, environment: Mapping[str, str]) -> Member:
    arguments = ("worker", "--concurrency", "2")
    return Member(arguments, port, {**environment, "FORETELL_METRICS_PORT": str(port)})
