"""Server: uvicorn, told by the settings, that ends streams in an orderly way before it closes."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from foretell import garbage
from foretell.connection import Connection
from foretell.frames import SocketConnection
from foretell.settings import Settings

ADDRESSES = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  (what to open for "every interface")


class Server(uvicorn.Server):
    """Serves an application until SIGTERM or SIGINT, and exits with 0 when all that ran has ended."""

    def __init__(self, app: FastAPI, settings: Settings, *, on_start: Callable[[], None]) -> None:
        super().__init__(_config(app, settings))
        self._app = app
        self._on_start = on_start

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serves until a signal, which uvicorn raises again at its end, when nothing is left to interrupt."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _done)
        super().run(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Opens the application and its port, then says so."""
        await super().startup(sockets)
        if self.started:
            garbage.settle()
            self._end_with_parent()
            self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends the streams with an event of ours, so that uvicorn has none to wait for, then closes."""
        self._app.state.shutdown.set()
        await super().shutdown(sockets)

    def _end_with_parent(self) -> None:
        """Ends like after a SIGTERM when the process is gone that keeps this one."""
        parent = multiprocessing.parent_process()
        if parent is not None:
            loop = asyncio.get_running_loop()
            loop.add_reader(parent.sentinel, self._orphaned, loop, parent.sentinel)

    def _orphaned(self, loop: asyncio.AbstractEventLoop, sentinel: int) -> None:
        loop.remove_reader(sentinel)
        self.handle_exit(signal.SIGTERM, None)


def address_of(host: str, port: int) -> str:
    """Returns what to open to reach a port of this machine: `http://127.0.0.1:8000`."""
    return f"http://{ADDRESSES.get(host) or (f'[{host}]' if ':' in host else host)}:{port}"


def _config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        lifespan="on",
        log_config=None,  # foretell.logs
        access_log=False,
        server_header=False,
        http=Connection,
        ws=SocketConnection,
        ws_per_message_deflate=False,  # 40 KiB a socket, and a token has nothing to be compressed
        ws_max_size=settings.max_body_bytes,
        timeout_graceful_shutdown=max(1, round(settings.shutdown_grace_seconds)),
    )


def _done(number: int, frame: FrameType | None) -> None:
    """Ignores the signal that the server has already obeyed."""
