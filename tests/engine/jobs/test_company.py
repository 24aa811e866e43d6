import asyncio
from contextlib import AbstractAsyncContextManager

from engine.jobs.company import Company


class Guest:
    """Somebody who comes into a room, and leaves when it is told to."""

    def __init__(self, entry: AbstractAsyncContextManager[None]) -> None:
        self.is_inside = False
        self.may_leave = asyncio.Event()
        self.task = asyncio.create_task(self._visit(entry))

    async def leave(self) -> None:
        self.may_leave.set()
        await self.task
        await asyncio.sleep(0)

    async def _visit(self, entry: AbstractAsyncContextManager[None]) -> None:
        async with entry:
            self.is_inside = True
            await self.may_leave.wait()
        self.is_inside = False


async def test_one_that_wants_to_be_alone_waits_for_those_inside_and_goes_before_later_ones() -> None:
    company = Company()
    first, second = Guest(company.beside()), Guest(company.beside())
    await asyncio.sleep(0)
    lonely, late = Guest(company.alone()), Guest(company.beside())
    guests = (first, second, lonely, late)
    seen = []

    for guest in guests:
        await asyncio.sleep(0.01)
        seen.append([each.is_inside for each in guests])
        await guest.leave()

    assert seen == [
        [True, True, False, False],
        [False, True, False, False],
        [False, False, True, False],
        [False, False, False, True],
    ]


async def test_one_that_waits_no_more_lets_others_in() -> None:
    company = Company()
    first, lonely, late = Guest(company.beside()), Guest(company.alone()), Guest(company.beside())
    await asyncio.sleep(0.01)
    was_inside = late.is_inside

    lonely.task.cancel()
    await asyncio.sleep(0.01)

    assert (was_inside, late.is_inside) == (False, True)
    await first.leave()
    await late.leave()
