"""HttpTransport: what httpx sends requests to one server with, in a fifth of the time of its own.

httpx reads answers with h11, in Python, chunk by chunk, which was half of what a generated text took. This
keeps to what httpx says of a transport, https://www.python-httpx.org/advanced/transports/#custom-transports.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from urllib.request import getproxies, proxy_bypass

import httpx2

from engine.backends.http_connection import HttpConnection

IDLE_SECONDS = 5.0
"""After that long a connection is not used again: the server may be about to close it. As in httpx."""
EXTENSIONS = {"http_version": b"HTTP/1.1"}


def transport_to(url: str, *, connect_seconds: float, max_connections: int) -> HttpTransport | None:
    """Returns what sends requests to the server of a URL; None where a proxy stands before it.

    The environment names the proxy (`HTTPS_PROXY`, `NO_PROXY`), and httpx's own transport speaks to it.
    """
    parsed = httpx2.URL(url)
    proxies = getproxies()
    if (parsed.scheme in proxies or "all" in proxies) and not proxy_bypass(parsed.host):
        return None
    return HttpTransport(parsed, connect_seconds=connect_seconds, max_connections=max_connections)


class HttpTransport(httpx2.AsyncBaseTransport):
    """Connections to one server; no more of them at once than allowed, the others wait for their turn."""

    def __init__(self, url: httpx2.URL, *, connect_seconds: float, max_connections: int) -> None:
        is_secure = url.scheme == "https"
        self._host = url.host
        self._port = url.port or (443 if is_secure else 80)
        self._ssl: ssl.SSLContext | None = httpx2.create_ssl_context() if is_secure else None
        self._connect_seconds = connect_seconds
        self._places = asyncio.Semaphore(max_connections)
        self._open: set[HttpConnection] = set()
        self._idle: list[tuple[HttpConnection, float]] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends a request and returns its answer, whose body is read from the connection as it comes.

        Raises:
            TransportError: of httpx; there is no connection, or it broke off.
        """
        content = await request.aread()
        await self._places.acquire()
        connection = self._from_idle()
        try:
            if connection is None:
                connection = await self._connect()
                self._open.add(connection)
            status, headers = await connection.ask(_head(request) + content)
        except BaseException:
            self._give_back(connection)
            raise
        return httpx2.Response(
            status, headers=headers, stream=_Body(self._give_back, connection), extensions=EXTENSIONS
        )

    async def aclose(self) -> None:
        """Closes every connection."""
        for connection in self._open:
            connection.abort()
        self._open.clear()
        self._idle.clear()
        await asyncio.sleep(0)  # the event loop closes what was aborted in its next turn

    def _give_back(self, connection: HttpConnection | None) -> None:
        """Takes a connection back, to be used again if its answer was read to the end."""
        self._places.release()
        if connection is None:
            return
        if connection.is_reusable:
            self._idle.append((connection, asyncio.get_running_loop().time()))
        else:
            connection.abort()
            self._open.discard(connection)

    def _from_idle(self) -> HttpConnection | None:
        """Returns the connection that was used last, and closes those that are too old."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection, since = self._idle.pop()
            if connection.is_reusable and now - since < IDLE_SECONDS:
                return connection
            connection.abort()
            self._open.discard(connection)
        return None

    async def _connect(self) -> HttpConnection:
        """Connects to the first of the server's addresses that answers; each gets its share of the time."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._connect_seconds
        try:
            async with asyncio.timeout_at(until):
                found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            for index, address in enumerate(found):
                share = (until - loop.time()) / (len(found) - index)
                try:
                    async with asyncio.timeout(share):
                        return await self._connect_to(str(address[4][0]))
                except OSError:
                    if index == len(found) - 1:
                        raise
        except TimeoutError as error:
            raise httpx2.ConnectTimeout("The server did not answer in time.") from error
        except OSError as error:
            raise httpx2.ConnectError("The server can not be reached.") from error
        raise httpx2.ConnectError("The server's name has no address.")

    async def _connect_to(self, address: str) -> HttpConnection:
        name = self._host if self._ssl is not None else None
        create = asyncio.get_running_loop().create_connection
        _, made = await create(HttpConnection, address, self._port, ssl=self._ssl, server_hostname=name)
        return made


class _Body(httpx2.AsyncByteStream):
    """The body of an answer. To close it before its end closes the connection."""

    def __init__(self, give_back: Callable[[HttpConnection], None], connection: HttpConnection) -> None:
        self._give_back = give_back
        self._connection: HttpConnection | None = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._connection is not None and (data := await self._connection.read()):
            yield data

    async def aclose(self) -> None:
        """Gives the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._give_back(connection)


def _head(request: httpx2.Request) -> bytes:
    lines = [b"%s %s HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%s: %s" % header for header in request.headers.raw]
    return b"\r\n".join([*lines, b"", b""])
