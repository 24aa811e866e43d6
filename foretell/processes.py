"""Several processes that serve one port: started, kept alive and ended together.

The port is opened once, and all of them accept from it: a connection that no process has taken yet waits for
the next one, whichever of them ends. None shares anything else with the others but the database and Redis.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import signal
import socket
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from foretell import logs
from foretell.app import create_app
from foretell.server import Server
from foretell.settings import Settings

log = logging.getLogger(__name__)

MOST_FAILED_STARTS = 3
PAUSE_SECONDS = 1.0
SPARE_SECONDS = 10.0
"""How much longer than its grace time a process may take to end."""

_spawn = multiprocessing.get_context("spawn")


class Processes:
    """Keeps `count` processes serving until SIGTERM or SIGINT."""

    def __init__(
        self, settings: Settings, count: int, listener: socket.socket, *, on_start: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._count = count
        self._listener = listener
        self._on_start = on_start
        self._ending = asyncio.Event()
        self._started: set[int] = set()
        self._code = 0

    async def run(self) -> int:
        """Returns the exit code when all have ended: 0, or 1 where one would not start or not end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        async with asyncio.TaskGroup() as group:
            for place in range(self._count):
                group.create_task(self._keep(place))
        return self._code

    async def _keep(self, place: int) -> None:
        """Starts a process again whenever it ends by itself; gives all up if it never gets to serve."""
        failures = 0
        while not self._ending.is_set():
            if await self._serve_once(place):
                failures = 0
            else:
                failures += 1
            if self._ending.is_set():
                return
            if failures >= MOST_FAILED_STARTS:
                log.error("process %s does not start; all are ended", place)
                self._code = 1
                self._ending.set()
                return
            log.error("process %s has ended; another takes its place", place)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _serve_once(self, place: int) -> bool:
        """Runs one process to its end, and tells whether it came to serve."""
        ours, theirs = _spawn.Pipe(duplex=False)
        given = _own(self._settings, place, self._count), self._listener, theirs
        process = _spawn.Process(target=_serve, args=given, name=f"foretell {place}")
        await asyncio.to_thread(process.start)
        theirs.close()
        ended = asyncio.create_task(_readable(process.sentinel))
        news = asyncio.create_task(_readable(ours.fileno()))
        ending = asyncio.create_task(self._ending.wait())
        try:
            await asyncio.wait({ended, news, ending}, return_when=asyncio.FIRST_COMPLETED)
            if started := news.done() and _says_so(ours):
                self._note_started(place)
            await asyncio.wait({ended, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                await self._end(process, ended)
            return started
        finally:
            for task in (ended, news, ending):
                task.cancel()
            ours.close()
            await asyncio.to_thread(process.join)

    async def _end(self, process: BaseProcess, ended: asyncio.Task[None]) -> None:
        process.terminate()
        await asyncio.wait({ended}, timeout=2 * self._settings.shutdown_grace_seconds + SPARE_SECONDS)
        if not ended.done():
            log.error("%s did not end in time, and was killed", process.name)
            process.kill()
            self._code = 1
            await ended

    def _note_started(self, place: int) -> None:
        all_before = len(self._started) == self._count
        self._started.add(place)
        if len(self._started) == self._count and not all_before:
            self._on_start()


def _own(settings: Settings, place: int, count: int) -> Settings:
    """Returns the settings of one process: its port for operators, its part of the threads."""
    port = settings.metrics.port
    metrics = settings.metrics.model_copy(update={"port": None if port is None else port + place})
    threads = max(1, settings.inference_threads // count)
    return settings.model_copy(update={"metrics": metrics, "inference_threads": threads})


def _serve(settings: Settings, listener: socket.socket, news: Connection) -> None:
    """What each of the processes does."""
    logs.configure(settings)

    def tell() -> None:
        news.send(True)
        news.close()

    Server(create_app(settings, alone=False), settings, on_start=tell).run([listener])


def _says_so(news: Connection) -> bool:
    try:
        return bool(news.recv())
    except EOFError:
        return False


async def _readable(descriptor: int) -> None:
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
