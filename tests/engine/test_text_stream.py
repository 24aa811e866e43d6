"""How the tokens of a text become pieces."""

from __future__ import annotations

import asyncio

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
