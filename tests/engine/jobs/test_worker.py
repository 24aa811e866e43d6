import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from sqlalchemy import update

from db.queries import chunks as chunk_queries
from db.tables.jobs import chunks
from engine.errors import ModelError, ThrottledError
from engine.jobs import chunk as chunk_module
from engine.jobs.worker import MAX_STARTS, MAX_STARTS_BESIDE
from engine.routing import callers as callers_module
from engine.usage.verify import differences
from engine.values import BatchItem, JobStatus, ModelRef
from tests.engine.jobs.bench import Bench, ManyToldBackend
from tests.engine.specs import tabular


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_module, "FIRST_WAIT_SECONDS", 0.01)


async def test_every_item_becomes_one_prediction_with_the_answer_to_its_input(any_bench: Bench) -> None:
    job = await any_bench.submit(20)

    async with any_bench.working():
        ended = await any_bench.ended(job.id)

    items = sorted(await any_bench.items(job.id), key=lambda row: row.item_index or 0)
    assert (ended.status, ended.succeeded, ended.failed, ended.open_chunks) == ("SUCCEEDED", 20, 0, 0)
    assert [row.item_index for row in items] == list(range(20))
    assert [row.output for row in items] == [{"results": [{"value": x}]} for x in range(20)]
    assert [row.input for row in items] == [{"records": [{"x": x}]} for x in range(20)]
    assert {row.custom_id for row in items} == {f"item {x}" for x in range(20)}
    assert {(row.status, row.attempts, row.request_id) for row in items} == {("SUCCEEDED", 1, "request")}
    assert {row.cost_nanos for row in items} == {1000}


async def test_an_item_keeps_its_name_whatever_characters_it_has(any_bench: Bench) -> None:
    names = [None, "a line\nand one\r\nmore", '"quoted" \\n {1,NULL}', "\x1f\t", "é \U0001f600", "null", " "]
    job = await any_bench.submit_items([BatchItem(name, tabular({"x": 1})) for name in names])

    async with any_bench.working():
        await any_bench.ended(job.id)

    items = sorted(await any_bench.items(job.id), key=lambda row: row.item_index or 0)
    assert [row.custom_id for row in items] == names


async def test_items_are_numbered_in_the_order_in_which_they_ended(any_bench: Bench) -> None:
    job = await any_bench.submit(30)

    async with any_bench.working(slots=4):
        ended = await any_bench.ended(job.id)

    assert [row.job_sequence for row in await any_bench.items(job.id)] == list(range(1, 31))
    assert ended.sequence == 30


async def test_every_item_is_in_the_ledger_once(any_bench: Bench) -> None:
    job = await any_bench.submit(20)

    async with any_bench.working():
        await any_bench.ended(job.id)

    assert await any_bench.billed(job.id) == 20


async def test_a_backend_that_takes_many_gets_a_whole_chunk(many_bench: Bench, many: ManyToldBackend) -> None:
    job = await many_bench.submit(600)

    async with many_bench.working():
        await many_bench.ended(job.id)

    assert sorted(many.batches) == [100, 500]


async def test_on_postgresql_it_gets_more_items_at_once(
    many_postgres_bench: Bench, many: ManyToldBackend
) -> None:
    job = await many_postgres_bench.submit_items([BatchItem(None, tabular({"x": x})) for x in range(1000)])

    async with many_postgres_bench.working():
        ended = await many_postgres_bench.ended(job.id)

    assert (many.batches, ended.succeeded) == ([1000], 1000)
    assert [row.item_index for row in await many_postgres_bench.items(job.id)] == list(range(1000))


async def test_a_job_lets_those_go_first_who_wait_for_what_this_process_computes(
    many_bench: Bench, many: ManyToldBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers_module, "MOST_SECONDS", 60.0)
    callers = many_bench.base.router.gates.callers
    job = await many_bench.submit(20)
    callers.enter()

    async with many_bench.working():
        async with asyncio.timeout(20):
            while (await many_bench.chunks(job.id))[0].owner is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        asked = list(many.batches)
        callers.leave()
        await many_bench.ended(job.id)

    assert (asked, many.batches) == ([], [20])


async def test_a_bad_item_does_not_touch_its_neighbours(many_bench: Bench, many: ManyToldBackend) -> None:
    many.bad[7] = ModelError("It is seven.")
    job = await many_bench.submit(20)

    async with many_bench.working():
        ended = await many_bench.ended(job.id)

    (failed,) = [row for row in await many_bench.items(job.id) if row.status == "FAILED"]
    assert (ended.status, ended.succeeded, ended.failed) == ("SUCCEEDED", 19, 1)
    assert failed.item_index == 7
    assert failed.error is not None
    assert (failed.error["code"], failed.error["message"]) == ("MODEL_ERROR", "It is seven.")


async def test_while_others_write_a_chunk_is_stored_in_parts(
    many_bench: Bench, many: ManyToldBackend
) -> None:
    many.bad = {number: ModelError("No.") for number in (5, 105, 249)}
    job = await many_bench.submit(250)
    statements: list[str] = []

    with many_bench.database.watched(statements.append):
        async with many_bench.working():
            await many_bench.database_is_used_until(many_bench.ended(job.id))

    ended, items = await many_bench.job(job.id), await many_bench.items(job.id)
    assert sum("INSERT INTO usage " in each for each in statements) == 3
    assert (ended.succeeded, ended.failed, ended.sequence, ended.open_chunks) == (247, 3, 250, 0)
    assert [row.job_sequence for row in items] == list(range(1, 251))
    assert sorted(row.item_index or 0 for row in items) == list(range(250))
    assert {row.item_index for row in items if row.status == "FAILED"} == {5, 105, 249}
    assert await differences(many_bench.database) == []


async def test_of_a_chunk_that_died_in_the_middle_of_its_parts_the_rest_runs_again(
    many_bench: Bench, many: ManyToldBackend
) -> None:
    job = await many_bench.submit(250)

    await dies_at_the_second_part(many_bench)
    between = await many_bench.job(job.id)
    async with many_bench.working():
        ended = await many_bench.ended(job.id)

    assert (between.status, between.succeeded) == ("RUNNING", 100)
    assert (ended.status, ended.succeeded, many.batches) == ("SUCCEEDED", 250, [250, 150])
    assert await many_bench.billed(job.id) == len(await many_bench.items(job.id)) == 250
    assert await differences(many_bench.database) == []


async def test_what_had_ended_and_was_not_stored_when_a_chunk_died_is_not_lost(many_bench: Bench) -> None:
    job = await many_bench.submit(250)
    async with many_bench.database.write() as connection:  # such a chunk's items end before one is stored
        await connection.execute(update(chunks).where(chunks.c.job_id == job.id).values(starts=MAX_STARTS))

    await dies_at_the_second_part(many_bench)
    between, (chunk,) = await many_bench.job(job.id), await many_bench.chunks(job.id)
    async with many_bench.working():
        ended = await many_bench.ended(job.id)

    assert (between.status, between.failed, chunk.items_left) == ("RUNNING", 100, 150)
    assert (ended.status, ended.failed, len(await many_bench.items(job.id))) == ("SUCCEEDED", 250, 250)


async def dies_at_the_second_part(bench: Bench) -> None:
    """Works until a chunk is stored in parts, and ends in the midst of the second."""
    parts: list[str] = []

    def cut(statement: str) -> None:
        if "INSERT INTO usage " in statement:
            parts.append(statement)
            if len(parts) == 2:
                raise PowerCutError

    with bench.database.watched(cut):
        async with bench.working():
            await bench.database_is_used_until(has(parts, 2))


async def has(found: list[str], count: int) -> None:
    while len(found) < count:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


class PowerCutError(Exception):
    """What a transaction that dies in the middle meets."""


async def test_a_permanent_error_is_not_tried_again(bench: Bench) -> None:
    bench.backend.error = ModelError("Never.")
    job = await bench.submit(1)

    async with bench.working():
        await bench.ended(job.id)

    (row,) = await bench.items(job.id)
    assert (row.status, row.attempts, len(bench.backend.calls)) == ("FAILED", 1, 1)


async def test_an_error_that_may_pass_is_tried_three_times(many_bench: Bench, many: ManyToldBackend) -> None:
    many.bad[1] = ModelError("Perhaps later.", retryable=True)
    job = await many_bench.submit(3)

    async with many_bench.working():
        await many_bench.ended(job.id)

    attempts = {row.item_index: (row.status, row.attempts) for row in await many_bench.items(job.id)}
    assert attempts == {0: ("SUCCEEDED", 1), 1: ("FAILED", 3), 2: ("SUCCEEDED", 1)}
    assert Counter(data.value["records"][0]["x"] for data in many.calls) == {0: 1, 1: 3, 2: 1}


async def test_an_item_waits_as_long_as_the_model_server_asks(
    many_bench: Bench, many: ManyToldBackend
) -> None:
    many.bad[0] = ModelError("In a minute.", retryable=True, retry_after_seconds=60.0)
    job = await many_bench.submit(1)

    async with many_bench.working():
        await many.was_asked()
        await asyncio.sleep(0.3)
        (row,) = await many_bench.chunks(job.id)

    assert row.state == "pending"
    assert row.tries == {"0": 1}
    assert row.not_before is not None
    assert 50 < (row.not_before - job.created_at).total_seconds() < 80


async def test_throttling_waits_and_uses_up_no_attempt(bench: Bench) -> None:
    bench.backend.error = ThrottledError(retry_after_seconds=0.02)
    job = await bench.submit(2)

    async with bench.working():
        await bench.backend.was_asked(5)
        bench.backend.error = None
        ended = await bench.ended(job.id)

    assert ended.succeeded == 2
    assert {row.attempts for row in await bench.items(job.id)} == {1}


async def test_what_a_killed_process_ran_runs_again_and_is_stored_once(any_bench: Bench) -> None:
    job = await any_bench.submit(20)
    async with any_bench.database.write() as connection:
        handed = await chunk_queries.offer(connection, job.id, 2, "killed", job.created_at)
        for chunk_id in handed:
            await chunk_queries.start(connection, chunk_id, "killed")

    async with any_bench.working():
        ended = await any_bench.ended(job.id)

    assert (ended.succeeded, await any_bench.billed(job.id)) == (20, 20)
    assert sorted(row.item_index or 0 for row in await any_bench.items(job.id)) == list(range(20))


async def test_a_worker_whose_chunk_another_took_up_can_not_write(any_bench: Bench) -> None:
    job = await any_bench.submit(3)
    any_bench.backend.gate.clear()

    async with any_bench.working():
        await any_bench.backend.was_asked(3)
        (chunk,) = await any_bench.chunks(job.id)
        async with any_bench.database.write() as connection:
            begun = await chunk_queries.start(connection, chunk.id or 0, "another")
        any_bench.backend.gate.set()
        await asyncio.sleep(0.3)

    assert begun is not None
    assert await any_bench.items(job.id) == []
    assert (await any_bench.job(job.id)).succeeded == 0


async def test_a_worker_that_is_told_to_stop_gives_back_what_it_runs(any_bench: Bench) -> None:
    job = await any_bench.submit(3)
    any_bench.backend.gate.clear()

    async with any_bench.working():
        await any_bench.backend.was_asked(3)

    (chunk,) = await any_bench.chunks(job.id)
    assert (chunk.state, chunk.owner, chunk.items_left, chunk.starts) == ("pending", None, 3, 0)


async def test_what_had_ended_when_a_worker_was_stopped_stays(bench: Bench) -> None:
    stuck = asyncio.Event()

    async def look() -> None:
        if bench.backend.calls[-1].value["records"][0]["x"] == 2:
            await stuck.wait()

    bench.backend.look = look
    job = await bench.submit(3)
    async with bench.working():
        await bench.backend.was_asked(3)
        await asyncio.sleep(0.1)
    stored = {row.item_index for row in await bench.items(job.id)}
    stuck.set()

    async with bench.working():
        ended = await bench.ended(job.id)

    assert stored == {0, 1}
    assert ended.succeeded == 3
    assert Counter(data.value["records"][0]["x"] for data in bench.backend.calls) == {0: 1, 1: 1, 2: 2}


async def test_a_chunk_that_ends_its_process_again_and_again_fails(bench: Bench) -> None:
    job = await bench.submit(2)
    async with bench.database.write() as connection:
        await connection.execute(update(chunks).where(chunks.c.job_id == job.id).values(starts=MAX_STARTS))

    async with bench.working():
        ended = await bench.ended(job.id)

    assert (ended.status, ended.failed, bench.backend.calls) == ("SUCCEEDED", 2, [])
    assert {(row.error or {})["retryable"] for row in await bench.items(job.id)} == {True}


async def test_chunks_that_may_have_ended_their_process_run_one_by_one(bench: Bench) -> None:
    job = await bench.submit(40)
    async with bench.database.write() as connection:
        suspected = update(chunks).where(chunks.c.job_id == job.id).values(starts=MAX_STARTS_BESIDE)
        await connection.execute(suspected)
    beside: set[int] = set()

    async def look() -> None:
        beside.add(len(worker.jobs))

    bench.backend.look = look
    async with bench.working(slots=4) as worker:
        ended = await bench.ended(job.id)

    assert beside == {1}
    assert ended.succeeded == 40


async def test_a_job_whose_source_is_gone_fails_and_says_so(bench: Bench) -> None:
    job = await bench.submit(3)
    bench.base.storage.delete(job.source)

    async with bench.working():
        ended = await bench.ended(job.id)

    assert (ended.status, ended.canceled) == (JobStatus.FAILED, 3)
    assert "There is no file" in (ended.status_reason or "")


async def test_explanations_are_stored_with_the_items(bench: Bench) -> None:
    route = bench.base.router.route(bench.viewer, ModelRef(name="told"), None)
    version = bench.base.router.first(route)
    version.version.spec = replace(version.version.spec, config={"baseline": {"x": 0.0}})
    job = await bench.submit(2, explain="OCCLUSION")

    async with bench.working():
        await bench.ended(job.id)

    found = {row.item_index: row.explanation for row in await bench.items(job.id)}
    assert found[1] is not None
    assert found[1]["records"][0]["attributions"][0] == {"feature": "x", "value": 1.0, "featureValue": 1}
