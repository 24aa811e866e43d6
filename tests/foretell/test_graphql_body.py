"""Reading bodies: those that come whole, in pieces, too slowly, or not to their end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from foretell.graphql.begun import Begun
from foretell.graphql.body import read_body
from foretell.graphql.incoming import Departure, Incoming
from foretell.graphql.requests import Refused

Message = dict[str, Any]
LEFT: Message = {"type": "http.disconnect"}


def piece(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def incoming(messages: Iterable[Message], *, waits: bool = False, length: str = "") -> Incoming:
    """Returns a request whose messages come as they are, each after a turn of the loop if it `waits`."""
    coming = iter(messages)

    async def receive() -> Message:
        if waits:
            await asyncio.sleep(0)
        message = next(coming, None)
        return await asyncio.Future() if message is None else message

    return Incoming("POST", {"content-length": length}, {}, "", receive)


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("pieces", [[b"whole"], [b"", b"who", b"le"]])
async def test_a_body_is_put_together(pieces: list[bytes], waits: bool) -> None:
    *first, last = pieces
    request = incoming([*(piece(each, more=True) for each in first), piece(last)], waits=waits)

    assert await read_body(request, limit=5, seconds=1) == b"whole"


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ([piece(b"too long")], 413),
        ([piece(b"too", more=True), piece(b" long")], 413),
        ([LEFT], 400),
        ([piece(b"left", more=True), LEFT], 400),
        ([], 408),
        ([piece(b"slow", more=True)], 408),
    ],
)
async def test_what_is_not_a_body_is_refused(messages: list[Message], status: int, waits: bool) -> None:
    with pytest.raises(Refused) as refused:
        await read_body(incoming(messages, waits=waits), limit=5, seconds=0.01)

    assert refused.value.status == status


async def test_a_body_that_is_too_long_by_its_length_is_not_read() -> None:
    request = incoming([], length="6")

    with pytest.raises(Refused) as refused:
        await read_body(request, limit=5, seconds=1)

    assert refused.value.status == 413


async def test_work_that_waits_for_nothing_is_done_when_it_has_begun() -> None:
    async def work() -> str:
        return "done"

    begun = Begun(work())

    assert begun.is_done
    assert await begun == "done"


async def test_work_that_waits_can_be_awaited_within_a_timeout() -> None:
    never: asyncio.Future[None] = asyncio.Future()

    begun = Begun(asyncio.wait_for(asyncio.shield(never), None))

    assert not begun.is_done
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await begun


async def test_a_departure_is_looked_for_when_somebody_waits() -> None:
    request = incoming([piece(b"rest"), LEFT])
    departure = Departure(request.receive)
    before = departure.is_set()

    await departure.wait()

    assert (before, departure.is_set()) == (False, True)
