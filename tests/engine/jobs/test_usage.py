import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.queries import usage as queries
from db.tables.usage import rollups
from engine.errors import ModelError
from engine.usage.ledger import Folding
from engine.usage.verify import differences
from tests.engine.jobs.bench import Bench, ManyToldBackend


async def test_a_job_with_failures_leaves_equal_sums(many_bench: Bench, many: ManyToldBackend) -> None:
    many.bad = {3: ModelError("bad", retryable=False), 7: ModelError("bad", retryable=False)}
    job = await many_bench.submit(20)

    async with many_bench.working():
        ended = await many_bench.ended(job.id)
    before = await differences(many_bench.database)
    folded = await Folding(many_bench.database).fold()

    assert (ended.succeeded, ended.failed, folded) == (18, 2, 20)
    assert before == await differences(many_bench.database) == []


async def test_many_items_are_in_the_rollups_as_soon_as_they_are_stored(
    many_bench: Bench, many: ManyToldBackend
) -> None:
    many.bad = {3: ModelError("bad", retryable=False), 7: ModelError("worse", retryable=False)}
    first, second = await many_bench.submit(250), await many_bench.submit(150)

    async with many_bench.working():
        for job in (first, second):
            await many_bench.ended(job.id)
    folded = await Folding(many_bench.database).fold()

    assert folded == 0
    assert await differences(many_bench.database) == []
    assert await rolled_up(many_bench, first.id) == (250, 2)
    assert await rolled_up(many_bench, second.id) == (150, 2)


async def test_items_are_left_to_folding_while_it_is_at_work(
    many_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def not_now(connection: AsyncConnection) -> bool:
        return False

    monkeypatch.setattr(queries, "may_fold_items", not_now)
    job = await many_bench.submit(200)

    async with many_bench.working():
        await many_bench.ended(job.id)
    before = await rolled_up(many_bench, job.id)
    folded = await Folding(many_bench.database).fold()

    assert (before, folded) == ((0, 0), 200)
    assert await rolled_up(many_bench, job.id) == (200, 0)
    assert await differences(many_bench.database) == []


async def rolled_up(bench: Bench, job_id: str) -> tuple[int, int]:
    """Returns how many items of a job, and how many failed ones, the rollups of hours have."""
    sums = (func.coalesce(func.sum(column), 0) for column in (rollups.c.predictions, rollups.c.failed))
    async with bench.database.read() as connection:
        row = (await connection.execute(select(*sums).where(rollups.c.job_id == job_id))).one()
    return int(row[0]), int(row[1])
