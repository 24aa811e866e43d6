import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx2
import pytest

from engine.backends import http_connection
from engine.backends.http_transport import HttpTransport, transport_to

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nOnce \r\n4\r\nupon\r\n0\r\nTrailer: 1\r\n\r\n"
)


class Wire:
    """A server that answers each request with the same bytes, piece by piece, then may hang up."""

    def __init__(self, *pieces: bytes, hangs_up: bool = False) -> None:
        self.pieces, self.hangs_up = pieces, hangs_up
        self.heads: list[bytes] = []
        self.connections = 0
        self._serving: set[asyncio.Task[None]] = set()

    async def done(self) -> None:
        """Returns when every connection has ended."""
        await asyncio.gather(*self._serving)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._serving.add(asyncio.current_task())  # type: ignore[arg-type]
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
                for piece in self.pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if self.hangs_up:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def client_of(wire: Wire, places: int = 2) -> AsyncIterator[httpx2.AsyncClient]:
    server = await asyncio.start_server(wire.connected, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    transport = HttpTransport(httpx2.URL(url), connect_seconds=5, max_connections=places)
    try:
        async with httpx2.AsyncClient(base_url=url, transport=transport, timeout=None) as client:
            yield client
    finally:
        server.close()
        await wire.done()


async def answered(*pieces: bytes, hangs_up: bool = False) -> httpx2.Response:
    async with client_of(Wire(*pieces, hangs_up=hangs_up)) as client:
        return await asyncio.wait_for(client.post("/path?a=b", content=b"asked"), 5)


async def test_an_answer_in_chunks_is_read_however_it_is_cut() -> None:
    for place in range(1, len(CHUNKED)):
        response = await answered(CHUNKED[:place], CHUNKED[place:])

        assert (response.status_code, response.text) == (200, "Once upon")
        assert "trailer" not in response.headers


async def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    response = await answered(b"HTTP/1.1 404 Gone\r\nX: y\r\n\r\nOnce", b" upon", hangs_up=True)

    assert (response.status_code, response.text, response.headers["x"]) == (404, "Once upon", "y")


async def test_what_is_said_before_the_answer_is_passed_over() -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"

    response = await answered(hint, hint + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nOnce")

    assert (response.status_code, response.text) == (200, "Once")
    assert "link" not in response.headers


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nOnce",),
        (CHUNKED[:-20],),
        (b"HTTP/1.1 200 OK\r\nContent-Le",),
        (),
    ],
)
async def test_an_answer_that_is_cut_off_is_told_from_a_whole_one(pieces: tuple[bytes, ...]) -> None:
    with pytest.raises(httpx2.ReadError):
        await answered(*pieces, hangs_up=True)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * http_connection.MAX_HEAD_BYTES,
    ],
    ids=["another protocol", "an upgrade", "two lengths", "no end of headers"],
)
async def test_what_is_no_answer_is_a_failure(answer: bytes) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        await answered(answer)


async def test_a_connection_is_used_again_when_its_answer_has_come() -> None:
    wire = Wire(CHUNKED)
    async with client_of(wire) as client:
        for _ in range(3):
            await client.post("/path", content=b"asked")

        async with client.stream("POST", "/path", content=b"asked"):
            pass  # its answer comes, and is not read
        response = await client.post("/path", content=b"asked")

    assert response.text == "Once upon"
    assert wire.heads[0].startswith(b"POST /path HTTP/1.1\r\nHost: 127.0.0.1:")
    assert wire.connections == 1


@pytest.mark.parametrize(
    ("answer", "hangs_up"),
    [
        (CHUNKED, True),
        (CHUNKED.replace(b"\r\n", b"\r\nConnection: close\r\n", 1), False),
        (CHUNKED + b"more", False),
    ],
    ids=["closed", "said to be", "not silent"],
)
async def test_a_connection_is_not_used_again_that_is_not_good_any_more(
    answer: bytes, hangs_up: bool
) -> None:
    wire = Wire(answer, hangs_up=hangs_up)
    async with client_of(wire) as client:
        for _ in range(3):
            response = await client.post("/path", content=b"asked")
            assert response.text == "Once upon"
            await asyncio.sleep(0.05)  # until it is known

    assert wire.connections == 3


async def test_a_server_waits_for_a_reader_that_is_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "PAUSE_BYTES", 1000)
    size = 20_000_000
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(bytes(10_000))
            sent += 10_000
            await writer.drain()
        writer.close()

    wire = Wire()
    wire.connected = endless  # type: ignore[method-assign]
    async with client_of(wire) as client, client.stream("GET", "/") as response:
        await asyncio.sleep(0.2)
        assert sent < size

        read = [len(piece) async for piece in response.aiter_bytes()]

    assert sum(read) == size


async def test_an_address_that_does_not_answer_leaves_time_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    found = loop.getaddrinfo

    async def two(host: str, port: int, **more: int) -> list[object]:
        (good,) = await found(host, port, **more)
        silent = (*good[:4], ("203.0.113.1", port))  # TEST-NET-3: nobody is there
        return [silent, good]

    connect = loop.create_connection

    async def none_there(make: object, host: str, *given: object, **more: object) -> object:
        if host == "203.0.113.1":
            await asyncio.sleep(60)
        return await connect(make, host, *given, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(loop, "getaddrinfo", two)
    monkeypatch.setattr(loop, "create_connection", none_there)
    async with client_of(Wire(CHUNKED)) as client:
        client._transport._connect_seconds = 0.4  # type: ignore[attr-defined]
        response = await client.post("/path")

    assert response.text == "Once upon"


def test_a_proxy_of_the_environment_is_spoken_to_by_httpx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.internal:3128")
    monkeypatch.setenv("NO_PROXY", "models.internal")

    def made(url: str) -> HttpTransport | None:
        return transport_to(url, connect_seconds=5, max_connections=2)

    assert made("https://api.example.com/v1") is None
    assert isinstance(made("https://models.internal/v1"), HttpTransport)
    assert isinstance(made("http://api.example.com/v1"), HttpTransport)
