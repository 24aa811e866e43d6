"""How many deliveries run at once."""

import asyncio

from engine.webhooks.room import Room


def test_there_is_room_for_so_many_in_all_and_to_one_host() -> None:
    room = Room(at_once=3, per_host=2)

    entered = [room.enter(host) for host in ("a", "a", "a", "b", "c")]

    assert entered == [True, True, False, True, False]
    assert (room.free, room.full_hosts()) == (0, ["a"])


async def test_who_found_no_room_is_told_when_there_is_some() -> None:
    room = Room(at_once=2, per_host=1)
    room.enter("a")
    waiting = asyncio.create_task(room.freed(60))
    await asyncio.sleep(0)

    room.leave("a")
    await waiting

    assert (room.free, room.full_hosts(), room.enter("a")) == (2, [], True)


async def test_a_place_that_nobody_missed_wakes_nobody() -> None:
    room = Room(at_once=2, per_host=2)
    room.enter("a")
    waiting = asyncio.create_task(room.freed(60))
    await asyncio.sleep(0)

    room.leave("a")
    await asyncio.sleep(0)

    assert not waiting.done()
    waiting.cancel()
