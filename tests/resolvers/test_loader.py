"""Loading by keys: together, each once, and without a task where nothing has to be waited for."""

from __future__ import annotations

import asyncio

import pytest

from resolvers.loader import MAX_BATCH, Loader


class Store:
    """Fetches doubles, and notes what it was asked for."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.is_broken = False

    async def fetch(self, keys: list[int]) -> list[int]:
        await asyncio.sleep(0)
        return self.find(keys)

    def find(self, keys: list[int]) -> list[int]:
        self.batches.append(keys)
        if self.is_broken:
            raise ValueError("broken")
        return [2 * key for key in keys]


async def test_what_is_asked_for_at_the_same_time_is_fetched_together_and_once() -> None:
    store = Store()
    loader = Loader(store.fetch)

    async def one(key: int) -> int:
        return await loader.load(key)

    *found, some = await asyncio.gather(one(1), one(2), loader.load(1), loader.load_many([3, 2]))

    assert (found, some) == ([2, 4, 2], [6, 4])
    assert sorted(store.batches[0]) == [1, 2, 3]
    assert len(store.batches) == 1
    assert await loader.load(3) == 6
    assert len(store.batches) == 1


async def test_many_keys_are_fetched_in_parts() -> None:
    store = Store()

    await Loader(store.fetch).load_many(range(MAX_BATCH + 1))

    assert [len(batch) for batch in store.batches] == [MAX_BATCH, 1]


async def test_what_is_found_at_once_needs_no_task() -> None:
    store = Store()
    loader = Loader(store.fetch, store.find)

    future = loader.load(1)
    before = asyncio.all_tasks()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert asyncio.all_tasks() == before
    assert future.result() == 2


async def test_what_can_not_be_found_at_once_is_fetched() -> None:
    store = Store()

    assert await Loader(store.fetch, lambda keys: None).load(1) == 2


@pytest.mark.parametrize("is_at_once", [False, True])
async def test_an_error_is_everybodys_and_is_not_kept(is_at_once: bool) -> None:
    store = Store()
    loader = Loader(store.fetch, store.find if is_at_once else None)
    store.is_broken = True

    failed = await asyncio.gather(loader.load(1), loader.load(2), return_exceptions=True)
    store.is_broken = False

    assert [str(error) for error in failed] == ["broken", "broken"]
    assert await loader.load(1) == 2


async def test_what_was_told_is_not_fetched() -> None:
    store = Store()
    loader = Loader(store.fetch)
    loader.prime(1, 7)
    loader.prime(1, 8)

    assert await loader.load(1) == 7
    assert store.batches == []


async def test_a_key_whose_reader_went_away_can_be_asked_for_again() -> None:
    store = Store()
    loader = Loader(store.fetch)
    loader.load(1).cancel()

    assert await loader.load(1) == 2
