"""A bus whose Redis goes away: this process hears itself, and the others when Redis is back."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from engine.backends.base import Token
from engine.bus.redis import RedisBus
from engine.events import End, StreamEvent
from tests.services import free_port, missing

pytestmark = pytest.mark.redis


@contextmanager
def redis_server(folder: Path, port: int) -> Iterator[None]:
    """Runs a Redis that keeps its data in a folder, and kills it."""
    program = shutil.which("redis-server")
    if program is None:
        missing("not installed: redis-server")
    options = ["--port", str(port), "--dir", str(folder), "--appendonly", "yes", "--save", ""]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    client = Redis(port=port)
    try:
        for _ in range(200):
            try:
                client.ping()
                break
            except RedisError:
                subprocess.run(["sleep", "0.05"], check=True)
        yield
    finally:
        client.close()
        process.kill()
        process.wait()


async def follow(bus: RedisBus, stream: str, events: list[StreamEvent]) -> None:
    while not (events and isinstance(events[-1], End)):
        after = events[-1].sequence if events else 0
        async with aclosing(bus.follow(stream, after)) as following:
            async for event in following:
                events.append(event)  # noqa: PERF401 - the test looks at them as they come
        await asyncio.sleep(0.05)


async def test_a_stream_goes_on_over_a_restart_of_redis(tmp_path: Path) -> None:
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    writer, reader = RedisBus(url), RedisBus(url)
    here: list[StreamEvent] = []
    there: list[StreamEvent] = []
    with redis_server(tmp_path, port):
        await writer.open()
        await reader.open()
        writer.append("s", [Token("t1 ")])
        followers = [
            asyncio.create_task(follow(writer, "s", here)),
            asyncio.create_task(follow(reader, "s", there)),
        ]
        while not there:  # noqa: ASYNC110 - nothing tells when it has come
            await asyncio.sleep(0.02)
    for number in range(2, 51):
        writer.append("s", [Token(f"t{number} ")])
    writer.end("s")
    async with asyncio.timeout(2):
        await followers[0]
    assert [event.sequence for event in there] == [1]

    with redis_server(tmp_path, port):
        async with asyncio.timeout(20):
            await followers[1]
        await writer.close()
        await reader.close()

    assert [event.sequence for event in here] == list(range(1, 52))
    assert [event.sequence for event in there] == list(range(1, 52))
