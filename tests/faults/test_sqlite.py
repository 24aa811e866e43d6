"""SQLite's disk is full, or fifty others write: what can not be stored is refused, and the rest goes on."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.clients.served import served
from tests.faults.asking import COUNT, Client, all_closed, all_may_be_tried_again, settings, stored
from tests.system.processes import eventually

WRITERS = 50
WRITES = 10


@pytest.fixture
async def client(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Client]:
    async with served(settings(tmp_path, sqlite_url)) as server:
        yield Client(server)


@contextmanager
def full_disk(file: Path) -> Iterator[None]:
    """Lets no file of this process grow beyond what the database and its log have now."""
    log = file.with_name(f"{file.name}-wal")
    most = max(file.stat().st_size, log.stat().st_size)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_refuses_what_is_new_and_shows_what_is_there(
    client: Client, sqlite_url: str
) -> None:
    file = Path(sqlite_url.removeprefix("sqlite+aiosqlite:///"))
    await client.predict()
    with full_disk(file):
        for number in range(200):
            await client.predict(number)
            not_ready, told = await client.ready()  # what it writes is small, and may still fit
            if not_ready == 503 and client.refused:
                break
        read, body = await client.ask(COUNT)
    ready, _ = await client.ready()
    again = await client.predict()
    await eventually(lambda: all_closed(sqlite_url))
    with closing(sqlite3.connect(file)) as connection:
        (whole,) = connection.execute("PRAGMA integrity_check").fetchone()

    assert client.refused
    assert all_may_be_tried_again(client.refused)
    assert read == 200
    assert body["data"]["predictions"]["totalCount"] >= 1
    assert (not_ready, told["checks"]["database"]) == (503, "the database can not be written")
    assert (ready, again, whole) == (200, True, "ok")
    total, _, billed = await stored(sqlite_url)
    assert total == billed >= len(client.succeeded)


def write_again_and_again(file: Path, writer: int) -> None:
    with closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as connection:
        for number in range(WRITES):
            connection.execute("INSERT INTO other VALUES (?, ?)", (writer, number))


async def test_fifty_others_that_write_lock_nobody_out(client: Client, sqlite_url: str) -> None:
    file = Path(sqlite_url.removeprefix("sqlite+aiosqlite:///"))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE other (writer, number)")
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(WRITERS) as threads:
        writing = [
            loop.run_in_executor(threads, write_again_and_again, file, writer) for writer in range(WRITERS)
        ]
        answered = await asyncio.gather(*(client.predict(number) for number in range(WRITERS)))
        await asyncio.gather(*writing)
    with closing(sqlite3.connect(file)) as connection:
        (written,) = connection.execute("SELECT count(*) FROM other").fetchone()

    assert all(answered)
    assert len(client.succeeded) == WRITERS
    assert written == WRITERS * WRITES
