"""How the tokens of a text become pieces."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from engine.backends.base import Token
from engine.bus.memory import MemoryBus
from engine.events import Piece, StreamEvent
from engine.text_stream import TextStream


async def written(tokens: int) -> list[StreamEvent]:
    """Writes tokens, each in a turn of its own, and returns the pieces."""
    bus = MemoryBus()
    stream = TextStream(bus, "text")
    for _ in range(tokens):
        stream.add(Token("x"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    stream.close()
    stream.flush()
    bus.end("text")
    assert stream.text == "x" * tokens
    return [event async for event in bus.follow("text", 0) if isinstance(event, Piece)]


async def test_tokens_are_told_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TextStream, "_last_turn_seconds", 0.0)

    assert await written(5) == [Piece(number, "x") for number in range(1, 6)]


async def test_tokens_are_gathered_after_the_first_while_handing_them_on_takes_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(TextStream, "_last_turn_seconds", 10.0)

    assert await written(5) == [Piece(1, "x"), Piece(2, "xxxx")]


async def test_what_was_gathered_is_told_though_no_other_token_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TextStream, "_last_turn_seconds", 10.0)
    bus = MemoryBus()
    stream = TextStream(bus, "text")

    for _ in range(3):
        stream.add(Token("x"))
        await asyncio.sleep(0.01)

    events = bus.follow("text", 0)
    assert await anext(events) == Piece(1, "x")
    assert await asyncio.wait_for(anext(events), 5) == Piece(2, "xx")
    await events.aclose()


async def test_what_is_left_under_load_has_its_number_and_is_told_with_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(TextStream, "_last_turn_seconds", 10.0)
    bus = MemoryBus()
    stream = TextStream(bus, "text")
    events = bus.follow("text", 0)
    for _ in range(2):
        stream.add(Token("x"))
        await asyncio.sleep(0.01)
    assert await anext(events) == Piece(1, "x")

    stream.close()
    stream.close()  # as when what comes after the text fails
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0.01)

    assert stream.last_sequence == 2
    assert not waiting.done()
    stream.flush()
    assert await waiting == Piece(2, "x")


async def test_what_is_left_is_told_though_the_end_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TextStream, "_last_turn_seconds", 10.0)
    bus = MemoryBus()
    stream = TextStream(bus, "text")
    for _ in range(2):
        stream.add(Token("x"))
        await asyncio.sleep(0.01)

    stream.close()

    events = bus.follow("text", 1)
    assert await asyncio.wait_for(anext(events), 5) == Piece(2, "x")
    await events.aclose()


@pytest.mark.parametrize(("turn", "is_followed"), [(10.0, True), (10.0, False), (0.0, True)])
async def test_a_source_may_rest_while_those_who_follow_would_not_be_told(
    monkeypatch: pytest.MonkeyPatch, turn: float, is_followed: bool
) -> None:
    monkeypatch.setattr(TextStream, "_last_turn_seconds", turn)
    bus = MemoryBus()
    stream = TextStream(bus, "text")
    stream.add(Token("x"))
    await asyncio.sleep(0.01)
    events = bus.follow("text", 0)
    if is_followed:
        await anext(events)

    monkeypatch.setattr(stream, "_turn_seconds", turn)

    assert bool(stream.rest()) is (turn > 0 and is_followed)
    await events.aclose()
    assert not stream.rest()


async def test_a_source_does_not_rest_while_a_caller_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TextStream, "_last_turn_seconds", 10.0)
    bus, told = MemoryBus(), asyncio.get_running_loop().create_future()
    stream = TextStream(bus, "text", told=told)
    stream.add(Token("x"))
    stream.flush()
    async with aclosing(bus.follow("text", 0)) as events:
        await anext(events)

        assert not stream.rest()
        told.set_result(None)
        assert stream.rest()
