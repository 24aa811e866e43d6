from collections import Counter

import pytest
from sqlalchemy import event

from db import group_commit
from engine.jobs import batches
from tests.engine.jobs.bench import Bench
from tests.statements import recorded


@pytest.mark.parametrize("size", [100, 400])
async def test_a_chunk_is_stored_by_as_many_statements_whatever_its_size(
    many_bench: Bench, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "AWAITED_SECONDS", 0.0)
    job = await many_bench.submit(size)
    statements: list[str] = []

    with many_bench.database.watched(statements.append):
        async with many_bench.working():
            await many_bench.ended(job.id)

    # predictions and ledger, the rollups of the hour and of the day, the job: once as it began
    written = ("INSERT INTO prediction ", "INSERT INTO usage ", "INSERT INTO usage_rollup", "UPDATE job ")
    assert [sum(each.startswith(words) for each in statements) for words in written] == [1, 1, 2, 2]


async def test_on_postgresql_the_statements_of_a_chunk_pass_by_sqlalchemy(
    many_postgres_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, by_sqlalchemy = many_postgres_bench, list[str]()
    monkeypatch.setattr(batches, "UNAWAITED_CHUNK_ITEMS", 40)
    event.listen(
        bench.database.engines[0].sync_engine,
        "before_cursor_execute",
        lambda _, __, statement, *___: by_sqlalchemy.append(statement),
    )
    job = await bench.submit(800)
    by_sqlalchemy.clear()

    with recorded(bench.database) as statements:
        async with bench.working():
            await bench.ended(job.id)

    by_the_test = "SELECT job.id, "
    often = Counter(each for each in by_sqlalchemy if not each.startswith(by_the_test))
    assert sum(each.startswith("INSERT INTO prediction ") for each in statements) == 20
    assert max(often.values()) < 10
