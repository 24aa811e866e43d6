"""How readers of a stream wait, in one process."""

from __future__ import annotations

import asyncio

import pytest

from engine.bus import local
from engine.bus.local import LocalStream
from engine.events import End, Piece, StreamEvent


async def read(stream: LocalStream) -> list[StreamEvent]:
    return [event async for event in stream.follow(0)]


async def test_one_reader_at_a_time_is_sent_to_look_whether_a_silent_stream_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local, "LOOK_SECONDS", 0.05)
    stream = LocalStream()
    stream.add(Piece(1, "Once"))
    readers = [asyncio.create_task(read(stream)) for _ in range(100)]

    done, waiting = await asyncio.wait(readers, return_when=asyncio.FIRST_COMPLETED)
    assert len(done) == 1
    assert done == {readers[0]}

    stream.abandon()
    await asyncio.wait(waiting, timeout=5)

    assert all(reader.result() == [Piece(1, "Once")] for reader in readers)


async def test_what_is_shared_comes_with_the_end() -> None:
    stream = LocalStream()

    stream.finish({"project": "row"})

    [end] = await read(stream)
    assert isinstance(end, End)
    assert end.shared == {"project": "row"}


async def test_readers_that_left_are_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "LOOK_SECONDS", 0.05)
    stream = LocalStream()
    readers = [asyncio.create_task(read(stream)) for _ in range(3)]
    await asyncio.sleep(0)
    for reader in readers[:2]:
        reader.cancel()

    assert await asyncio.wait_for(readers[2], 5) == []


async def test_nobody_is_sent_while_something_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "LOOK_SECONDS", 0.05)
    stream = LocalStream()
    readers = [asyncio.create_task(read(stream)) for _ in range(3)]

    for number in range(1, 20):
        stream.add(Piece(number, "x"))
        await asyncio.sleep(0.01)
    stream.finish()

    for events in await asyncio.gather(*readers):
        assert (len(events), events[-1]) == (20, End(20))
