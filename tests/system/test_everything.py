"""A mixed load over a whole installation while each part of it is killed and started again: then every sum.

FORETELL_TEST_ITEMS makes the job larger or smaller.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from db.session import Database
from db.tables.predictions import predictions
from engine.ids import global_id
from tests.foretell.commands import foretell
from tests.system.batches import all_agree, fences, let_loose, submit, sums, until_ended
from tests.system.breaking import Breaker
from tests.system.customers import Customers, Reader, customers_of
from tests.system.fleet import Fleet, fleet

ITEMS = int(os.environ.get("FORETELL_TEST_ITEMS", "30000"))
AT_ONCE = max(1, ITEMS // 3000)
"""So few that a job of any size takes over five minutes, if it is not let loose."""


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.redis
@pytest.mark.timeout(1800)
async def test_nothing_is_lost_or_done_twice_whatever_is_killed(tmp_path: Path) -> None:
    async with fleet(tmp_path, {"FORETELL_LEASE_SECONDS": "3"}) as whole, opened(whole) as database:
        job_id = await submit(whole.servers[0], ITEMS, maxConcurrency=AT_ONCE)
        breaker = Breaker(whole, database, ITEMS)
        for worker in whole.workers:
            await breaker.employ(worker)
        async with customers_of(whole) as customers:
            await breaker.break_everything()
            await let_loose(database)
            job = await until_ended(whole.servers[0], job_id, 1500)
        texts = [(reader, await reader.whole_text()) for reader in customers.readers]

        at = whole.postgres.url
        found, begun = await sums(at), await fences(database)
        alone = await predictions_without_a_job(database)
        verified = await asyncio.to_thread(foretell, "usage", "verify", FORETELL_DATABASE_URL=at)
        codes = [code for part in (*whole.apis, *whole.workers) for code in part.codes]

    assert job["status"] == "SUCCEEDED"
    assert job["counts"]["succeeded"] == ITEMS
    all_agree(found, ITEMS)
    assert verified.exit_code == 0, verified.output
    assert len(breaker.cut) == len(whole.workers)
    assert all(begun[chunk.id] > chunk.fence for chunk in breaker.cut)
    assert found["run_again"] >= len(breaker.cut)
    assert codes == [0, 0]
    assert customers.repeated > 0, "nobody noticed anything"
    assert sorted(customers.answered) == sorted(alone)
    assert {alone[each] for asker in customers.askers for each in asker.answered} == {"SUCCEEDED"}
    for reader, text in texts:
        all_texts_agree(reader, text)
    tell(found, breaker, customers)


@asynccontextmanager
async def opened(whole: Fleet) -> AsyncIterator[Database]:
    database = Database(whole.postgres.url)
    try:
        yield database
    finally:
        await database.close()


async def predictions_without_a_job(database: Database) -> dict[str, str]:
    """Returns the ids and statuses of what callers asked for one by one."""
    alone = select(predictions.c.id, predictions.c.status).where(predictions.c.job_id.is_(None))
    async with database.read() as connection:
        return {global_id("Prediction", key): status for key, status in await connection.execute(alone)}


def all_texts_agree(reader: Reader, text: str) -> None:
    """Fails unless what was read is what was written, byte for byte, up to where a kill ended it."""
    assert reader.followers
    for each in reader.followers:
        assert each.end is not None
        if each.end["status"] == "SUCCEEDED":
            assert each.text == each.end["output"]["text"] == text
        else:
            assert each.end["error"] == {"code": "MODEL_ERROR", "retryable": True}
            assert text.startswith(each.text)


def tell(found: dict[str, Any], breaker: Breaker, customers: Customers) -> None:
    """Prints figures for those who run it by hand."""
    texts = customers.followers
    ended = sum(each.end is not None and each.end["status"] == "FAILED" for each in texts)
    print(  # noqa: T201
        f"{found['stored']} items; {found['run_again']} chunks again, {len(breaker.cut)} of killed workers; "
        f"{len(customers.answered)} predictions, asked for {customers.repeated} times more; "
        f"{len(texts)} texts, {ended} ended by kills, {sum(each.cuts for each in texts)} times resumed"
    )
