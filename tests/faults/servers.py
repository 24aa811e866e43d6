"""Servers of a test's own, to be stopped, frozen and cut off: PostgreSQL, Redis, and what lies between."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.services import free_port, missing

START_SECONDS = 90.0
CAN_NOT = (OSError, RedisError, asyncpg.PostgresError)


class OwnServer:
    """A process that listens on a port of its own, and can be ended and started again as it was."""

    def __init__(self, command: list[str], port: int, folder: Path, user: str | None = None) -> None:
        self.port = port
        self._log = folder / f"{Path(command[0]).name}.log"
        self._command = command
        self._user = user
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Starts it, and returns once it answers."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdout=log, stderr=log, user=self._user
            )
        said = "it was not asked in time"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                while self._process.returncode is None:
                    try:
                        await self.greet()
                    except CAN_NOT as error:
                        said = repr(error)
                        await asyncio.sleep(0.05)
                    else:
                        return
        code, logged = self._process.returncode, self._log.read_text(errors="replace")[-4000:]
        pytest.fail(f"{self._log.stem} does not answer: {said}; exit code: {code}; log:\n{logged}")

    async def greet(self) -> None:
        """Returns once it can be used.

        Raises:
            OSError, RedisError, asyncpg.PostgresError: it can not, now.
        """
        raise NotImplementedError

    async def kill(self) -> None:
        """Ends it at once, with nothing tidied up."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Ends it as an operator does who is in a hurry: connections are cut, data is kept."""
        await self._end(signal.SIGINT)

    def freeze(self) -> None:
        """Lets it hang: connections stay open, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Runs it for as long as the context lasts, unless it is ended before."""
        try:
            await self.start()
            yield
        finally:
            if self._process is not None and self._process.returncode is None:
                self.thaw()
                await self.kill()

    async def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        await self._process.wait()


class OwnRedis(OwnServer):
    """A Redis that writes all it is told to a file."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server") or missing("there is no redis-server")
        port = free_port()
        options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
        super().__init__([program, *options, "--appendonly", "yes"], port, folder)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    async def greet(self) -> None:
        """See `OwnServer`."""
        async with Redis.from_url(self.url, socket_connect_timeout=1, socket_timeout=1) as client:
            await client.ping()


class OwnPostgres(OwnServer):
    """A PostgreSQL cluster with one user."""

    @property
    def url(self) -> str:
        """Where it is, for Foretell."""
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/postgres"

    async def kill(self) -> None:
        """Crashes it with all its processes: those of a killed postmaster would keep its memory."""
        await self._end(signal.SIGQUIT)

    async def greet(self) -> None:
        """See `OwnServer`."""
        connection = await asyncpg.connect(self.url.replace("+asyncpg", ""), timeout=2)
        await connection.close()


@asynccontextmanager
async def own_redis(folder: Path) -> AsyncIterator[OwnRedis]:
    """Runs a Redis on a free port for as long as the context lasts."""
    redis = OwnRedis(folder)
    async with redis.running():
        yield redis


@asynccontextmanager
async def own_postgres(folder: Path) -> AsyncIterator[OwnPostgres]:
    """Makes a PostgreSQL cluster that logs to a folder, and runs it for as long as the context lasts."""
    user = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    programs, port = _programs(), free_port()
    # Not in the folder: each run of pytest that begins closes the folders of all runs to other users.
    with tempfile.TemporaryDirectory(prefix="foretell-postgres-") as data:
        if user is not None:
            shutil.chown(data, user)
        made = await asyncio.create_subprocess_exec(
            *(str(programs / "initdb"), "-D", data, "-U", "postgres"),
            *("-A", "trust", "-E", "UTF8", "--no-sync"),
            stdout=asyncio.subprocess.DEVNULL,
            user=user,
        )
        assert await made.wait() == 0
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": data, "fsync": "off"}
        command = [str(programs / "postgres"), "-D", data, "-p", str(port)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        postgres = OwnPostgres(command, port, folder, user)
        async with postgres.running():
            yield postgres


def _programs() -> Path:
    """Where PostgreSQL is installed: Debian keeps it out of the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else Path(shutil.which("initdb") or missing("no initdb")).parent


class Wire:
    """A TCP proxy: what goes through can be cut, held up, slowed down."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.delay_seconds = 0.0
        self._target = target
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._links: set[asyncio.Task[None]] = set()

    def cut(self) -> int:
        """Breaks every connection off; new ones are let through. Returns how many there were."""
        links = list(self._links)
        for link in links:
            link.cancel()
        return len(links)

    def hold(self) -> None:
        """Lets nothing through, and keeps connections open."""
        self._is_open.clear()

    def release(self) -> None:
        """Lets everything through again, also what was held up."""
        self._is_open.set()

    async def link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Joins a connection with one to the target."""
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            try:
                ways = [
                    asyncio.create_task(self._carry(reader, far_writer)),
                    asyncio.create_task(self._carry(far_reader, writer)),
                ]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
            finally:
                far_writer.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._links.discard(task)
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                await self._is_open.wait()
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def wire(target: int) -> AsyncIterator[Wire]:
    """Puts a proxy before a port of this machine for as long as the context lasts."""
    between = Wire(target)
    server = await asyncio.start_server(between.link, "127.0.0.1", 0)
    between.port = server.sockets[0].getsockname()[1]
    try:
        yield between
    finally:
        server.close()
        between.release()
        between.cut()
        await server.wait_closed()
