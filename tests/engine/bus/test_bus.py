"""The contract of every bus: streams without gaps and duplicates, topics that keep the latest."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import pytest

from engine.backends.base import Token
from engine.bus.base import Bus
from engine.bus.memory import MemoryBus
from engine.bus.redis import RedisBus
from engine.events import End, Piece, Snapshot, StreamEvent
from tests.services import redis_url

Buses = tuple[Bus, Bus]


async def in_memory(kept_pieces: int) -> tuple[Bus, ...]:
    bus = MemoryBus(kept_pieces=kept_pieces)
    return (bus, bus)


async def over_redis(kept_pieces: int) -> tuple[Bus, ...]:
    url, prefix = await redis_url(), f"test:{uuid4().hex}"
    return tuple(RedisBus(url, prefix=prefix, kept_pieces=kept_pieces, kept_seconds=60) for _ in range(2))


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def make_buses(request: pytest.FixtureRequest) -> AsyncIterator[Callable[..., Any]]:
    """Makes a writer's bus and a reader's: the same one in memory, those of two processes over Redis."""
    opened: list[Bus] = []

    async def make(kept_pieces: int = 4096) -> Buses:
        make_pair = in_memory if request.param == "memory" else over_redis
        writer, reader = await make_pair(kept_pieces)
        for bus in dict.fromkeys((writer, reader)):
            await bus.open()
            opened.append(bus)
        return writer, reader

    yield make
    for bus in opened:
        await bus.close()


def name() -> str:
    return uuid4().hex


async def read(bus: Bus, stream: str, after: int = 0, *, pause: float = 0.0) -> list[StreamEvent]:
    """Follows a stream to its end; a reader of another process may have to come back once it is there."""
    events: list[StreamEvent] = []
    async with asyncio.timeout(30):
        while not (events and isinstance(events[-1], End)):
            async with aclosing(bus.follow(stream, events[-1].sequence if events else after)) as following:
                async for event in following:
                    events.append(event)
                    await asyncio.sleep(pause)
            await asyncio.sleep(0.01)
    return events


def text_of(events: list[StreamEvent]) -> str:
    text = ""
    for event in events:
        if isinstance(event, Snapshot):
            text = event.text
        elif isinstance(event, Piece):
            text += event.text
    return text


async def test_a_reader_from_the_start_gets_every_piece_once_and_in_order(make_buses: Any) -> None:
    writer, reader = await make_buses()
    stream = name()
    writer.append(stream, [Token("t1 ", -0.5)])
    reading = asyncio.create_task(read(reader, stream))
    for number in range(2, 301):
        writer.append(stream, [Token(f"t{number} ")])
        if number % 50 == 0:
            await asyncio.sleep(0.01)
    writer.end(stream)

    events = await reading

    assert [event.sequence for event in events] == list(range(1, 302))
    assert events[0] == Piece(1, "t1 ", -0.5)
    assert text_of(events) == "".join(f"t{number} " for number in range(1, 301))
    assert events[-1] == End(301)


@pytest.mark.parametrize("after", [0, 1, 57, 99, 100])
async def test_a_reader_who_comes_back_gets_what_follows(make_buses: Any, after: int) -> None:
    writer, reader = await make_buses()
    stream = name()
    for number in range(1, 101):
        writer.append(stream, [Token(f"t{number} ")])
    writer.end(stream)

    events = await read(reader, stream, after)

    assert [event.sequence for event in events] == list(range(after + 1, 102))


async def test_what_is_not_kept_any_more_comes_as_one_snapshot(make_buses: Any) -> None:
    writer, reader = await make_buses(kept_pieces=10)
    stream = name()
    for number in range(1, 301):
        writer.append(stream, [Token(f"t{number} ")])
    writer.end(stream)

    await read(reader, stream)  # all of it has arrived

    events = await read(reader, stream, after=3)

    assert isinstance(events[0], Snapshot)
    assert sum(isinstance(event, Snapshot) for event in events) == 1
    assert text_of(events) == "".join(f"t{number} " for number in range(1, 301))


async def test_a_reader_who_is_too_slow_skips_ahead_and_misses_nothing(make_buses: Any) -> None:
    writer, reader = await make_buses(kept_pieces=10)
    stream = name()
    writer.append(stream, [Token("t1 ")])
    reading = asyncio.create_task(read(reader, stream, pause=0.01))
    for number in range(2, 1001):
        writer.append(stream, [Token(f"t{number} ")])
        if number % 100 == 0:
            await asyncio.sleep(0.02)
    writer.end(stream)

    events = await reading

    sequences = [event.sequence for event in events]
    assert sequences == sorted(set(sequences))
    assert any(isinstance(event, Snapshot) for event in events)
    assert text_of(events) == "".join(f"t{number} " for number in range(1, 1001))


async def test_tokens_appended_together_are_one_piece(make_buses: Any) -> None:
    writer, reader = await make_buses()
    stream = name()
    assert writer.append(stream, [Token("a", -1.0), Token("b", -2.0)]) == 1
    assert writer.append(stream, [Token("c")]) == 2
    writer.end(stream)

    events = await read(reader, stream)

    assert events == [Piece(1, "ab"), Piece(2, "c"), End(3)]


async def test_a_thousand_disconnects_leave_no_gap_and_no_duplicate(make_buses: Any) -> None:
    writer, reader = await make_buses()
    stream = name()
    words = [f"w{number} " for number in range(500)]
    rng = random.Random(7)

    async def write() -> None:
        for word in words:
            writer.append(stream, [Token(word)])
            await asyncio.sleep(0.004)
        writer.end(stream)

    async def come_and_go() -> tuple[str, int]:
        text, last, left = "", 0, 0
        while True:
            async with aclosing(reader.follow(stream, last)) as following:
                patience = rng.randint(1, 20)
                async for event in following:
                    if isinstance(event, End):
                        assert event.sequence == last + 1
                        return text, left
                    assert isinstance(event, Piece)
                    assert event.sequence == last + 1
                    text, last, patience = text + event.text, event.sequence, patience - 1
                    if not patience:
                        left += 1
                        break
            await asyncio.sleep(0)

    writer.append(stream, [Token("begin ")])
    async with asyncio.timeout(60):
        writing = asyncio.create_task(write())
        results = await asyncio.gather(*(come_and_go() for _ in range(25)))
        await writing

    assert {text for text, _ in results} == {"begin " + "".join(words)}
    assert sum(left for _, left in results) >= 1000


async def test_a_stream_that_nobody_wrote_ends_at_once(make_buses: Any) -> None:
    _, reader = await make_buses()

    async with asyncio.timeout(2):
        events = [event async for event in reader.follow(name(), 0)]

    assert events == []


async def test_readers_of_its_own_process_wait_for_a_stream_that_was_begun(make_buses: Any) -> None:
    writer, _ = await make_buses()
    stream = name()
    writer.begin(stream)

    following = asyncio.create_task(once(writer, stream))
    await asyncio.sleep(0.01)
    writer.append(stream, [Token("late")])
    writer.leave(stream)  # it has begun by now
    writer.end(stream)

    async with asyncio.timeout(2):
        assert await following == [Piece(1, "late"), End(2)]


async def test_who_waits_for_a_stream_that_is_left_is_sent_elsewhere(make_buses: Any) -> None:
    writer, _ = await make_buses()
    stream = name()
    writer.begin(stream)

    following = asyncio.create_task(once(writer, stream))
    await asyncio.sleep(0.01)
    writer.leave(stream)

    async with asyncio.timeout(2):
        assert await following == await once(writer, stream) == []


async def once(bus: Bus, stream: str) -> list[StreamEvent]:
    """Follows a stream as far as it goes without coming back."""
    return [event async for event in bus.follow(stream, 0)]


async def test_a_thousand_readers_of_a_stream_all_get_it_whole(make_buses: Any) -> None:
    writer, reader = await make_buses()
    stream = name()
    writer.append(stream, [Token("t1 ")])
    readings = [asyncio.create_task(read(reader, stream)) for _ in range(1000)]
    await asyncio.sleep(0.1)
    for number in range(2, 21):
        writer.append(stream, [Token(f"t{number} ")])
        await asyncio.sleep(0)
    writer.end(stream)

    everything = await asyncio.gather(*readings)

    assert {text_of(events) for events in everything} == {"".join(f"t{n} " for n in range(1, 21))}


async def test_a_watcher_who_is_busy_gets_the_latest_message(make_buses: Any) -> None:
    writer, reader = await make_buses()
    with reader.watch("news") as watcher:
        for number in range(100):
            writer.announce("news", {"number": number})
        messages: list[Any] = []
        async with asyncio.timeout(10):
            while not messages or messages[-1]["number"] < 99:
                messages.append(await watcher.next(5))

    numbers = [message["number"] for message in messages]
    assert numbers == sorted(set(numbers))


async def test_a_watcher_hears_nothing_of_other_topics_and_of_times_before(make_buses: Any) -> None:
    writer, reader = await make_buses()
    writer.announce("news", "before")
    await asyncio.sleep(0.1)
    with reader.watch("news") as watcher:
        writer.announce("other", "elsewhere")

        assert await watcher.next(0.3) is None


async def test_a_bus_ends_however_much_is_said_meanwhile(make_buses: Any) -> None:
    for _ in range(60):
        writer, reader = await make_buses()
        for number in range(5):
            writer.announce("news", number)
        await asyncio.sleep(random.random() * 0.004)

        async with asyncio.timeout(10):
            await reader.close()
            await writer.close()
