"""How those who wait for one thing take turns."""

import asyncio

from engine.turns import Turns


class Queue:
    """Tells in which order those who wait came in; each stays until `gate` is set."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.gate = asyncio.Event()
        self.order: list[str] = []
        self.inside = 0

    async def enter(self, name: str) -> None:
        """Waits for a turn of the party that is the first letter of a name."""
        async with self.turns.turn(name[0]):
            self.inside += 1
            assert self.inside == 1
            self.order.append(name)
            await self.gate.wait()
            self.inside -= 1

    async def line_up(self, *names: str) -> list[asyncio.Task[None]]:
        """Lets some stand in line, in this order."""
        tasks = [asyncio.create_task(self.enter(name)) for name in names]
        await asyncio.sleep(0)
        return tasks


async def test_one_who_waits_alone_does_not_wait_for_the_long_line_of_another() -> None:
    queue = Queue()
    tasks = await queue.line_up("a1", "a2", "a3", "a4", "b1", "b2", "c1")

    queue.gate.set()
    await asyncio.gather(*tasks)

    assert queue.order == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]


async def test_one_who_gives_up_is_passed_over_and_holds_nobody_up() -> None:
    queue = Queue()
    first, second, third, last = await queue.line_up("a1", "a2", "b1", "c1")

    third.cancel()
    queue.gate.set()
    await asyncio.gather(first, second, last)
    tasks = await queue.line_up("d1")
    await asyncio.gather(*tasks)

    assert queue.order == ["a1", "c1", "a2", "d1"]


async def test_one_who_gives_up_just_as_the_turn_comes_passes_it_on() -> None:
    queue = Queue()
    async with queue.turns.turn("a"):
        early, late = await queue.line_up("b1", "c1")
    early.cancel()
    queue.gate.set()
    await asyncio.gather(early, late, return_exceptions=True)

    assert (early.cancelled(), queue.order) == (True, ["c1"])
