"""Clients that do not do their part: each is let go in time, and others are answered meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from foretell import connection
from foretell.connection import Connection
from tests.foretell.graphql_service import serving

HEAD = b"POST /unread HTTP/1.1\r\nHost: x\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Open = Callable[[bytes], Awaitable[Streams]]


async def _hello(request: Request) -> Response:
    return PlainTextResponse("hello")


async def _endless(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 65536
                await asyncio.sleep(0)
        finally:
            request.app.state.left.set()

    return StreamingResponse(pieces())


APP = Starlette(
    routes=[Route("/", _hello), Route("/unread", _hello, methods=["POST"]), Route("/endless", _endless)]
)


@asynccontextmanager
async def opening() -> AsyncIterator[tuple[str, Open]]:
    """Yields the URL of the application, and what opens a connection to it and says something."""
    APP.state.left = asyncio.Event()
    writers: list[asyncio.StreamWriter] = []
    async with serving(APP, http=Connection) as address:
        host, port = address.split(":")

        async def open_(said: bytes) -> Streams:
            reader, writer = await asyncio.open_connection(host, int(port))
            writers.append(writer)
            writer.write(said)
            return reader, writer

        yield f"http://{address}", open_
        for writer in writers:
            writer.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads have 0.3 s, and readers may pause for 0.3 s."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(connection, "STALLED_SECONDS", 0.3)


async def all_of(reader: asyncio.StreamReader) -> bytes:
    """Returns what comes until the server closes."""
    async with asyncio.timeout(5):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def drip(writer: asyncio.StreamWriter) -> None:
    """Says a little again and again, for ever."""
    while not writer.is_closing():
        writer.write(b"x")
        await asyncio.sleep(0.05)


@pytest.mark.usefixtures("impatient")
async def test_a_connection_that_says_nothing_is_closed() -> None:
    async with opening() as (_, open_):
        reader, _ = await open_(b"")

        assert await all_of(reader) == b""


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("before", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
async def test_a_head_that_drips_in_is_given_up(before: bytes) -> None:
    async with opening() as (_, open_):
        reader, writer = await open_(before + HEAD + b"X-Drip: ")
        dripping = asyncio.create_task(drip(writer))

        answers = await all_of(reader)
        dripping.cancel()

    assert answers.count(b"HTTP/1.1 200 OK") == (1 if before else 0)
    assert b"HTTP/1.1 408 Request Timeout" in answers


@pytest.mark.usefixtures("impatient")
async def test_a_body_that_drips_in_after_its_answer_is_given_up() -> None:
    async with opening() as (_, open_):
        reader, writer = await open_(HEAD + b"Content-Length: 100000\r\n\r\n")
        dripping = asyncio.create_task(drip(writer))

        answers = await all_of(reader)
        dripping.cancel()

    assert answers.startswith(b"HTTP/1.1 200 OK")
    assert answers.endswith(b"hello")


async def test_a_large_body_that_nobody_reads_does_not_cost_its_client_the_answer() -> None:
    async with opening() as (url, _), httpx.AsyncClient() as client:
        response = await client.post(f"{url}/unread", content=b"x" * 1_000_000)
        again = await client.get(url)

    assert (response.text, again.text) == ("hello", "hello")


async def test_a_head_that_is_too_long_is_refused() -> None:
    async with opening() as (_, open_):
        reader, _ = await open_(HEAD + b"X-Long: " + b"x" * connection.MAX_HEAD_BYTES)

        assert (await all_of(reader)).startswith(b"HTTP/1.1 431")


async def test_of_an_address_those_who_wait_longest_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_WAITING", 5)
    async with opening() as (url, open_), httpx.AsyncClient() as client:
        waiting = [await open_(HEAD) for _ in range(20)]

        answer = await client.get(url)
        ended = [await all_of(reader) for reader, _ in waiting[:15]]
        for reader, writer in waiting[16:]:
            writer.write(b"Content-Length: 0\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")

    assert answer.text == "hello"
    assert all(each.startswith(b"HTTP/1.1 429") for each in ended)


@pytest.mark.usefixtures("impatient")
async def test_a_client_that_does_not_read_is_cut_off() -> None:
    async with opening() as (_, open_):
        _, writer = await open_(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]

        async with asyncio.timeout(5):
            await APP.state.left.wait()


@pytest.mark.usefixtures("impatient")
async def test_whoever_does_their_part_is_not_hurried() -> None:
    async with opening() as (url, _), httpx.AsyncClient() as client:
        first = await client.get(url)
        await asyncio.sleep(0.6)
        second = await client.get(url)

    assert (first.text, second.text) == ("hello", "hello")
    assert not Connection._waiting
