import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest

from db.queries import predictions as queries
from db.tables import ModelVersionRow
from db.tables.models import model_versions
from db.types import now
from engine.registry import Registry
from tests.engine.workshop import Process, Workshop, told

SHORT_LEASE = 0.3


@asynccontextmanager
async def recovering(process: Process) -> AsyncIterator[asyncio.Task[None]]:
    """Runs a process's recovery loop."""
    task = asyncio.create_task(process.recovery.run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_what_a_dead_process_left_running_is_run_again_once(any_workshop: Workshop) -> None:
    row = await any_workshop.abandoned()

    await any_workshop.here.recovery.take_over()
    await any_workshop.here.recovery.take_over()

    ended = await any_workshop.ended(row.id)
    assert (ended.status, ended.output) == ("SUCCEEDED", {"results": [{"value": 7}]})
    assert len(any_workshop.backend.calls) == 1


async def test_the_attempt_that_was_cut_short_is_counted(workshop: Workshop) -> None:
    row = await workshop.abandoned()

    await workshop.here.recovery.take_over()

    assert (await workshop.ended(row.id)).attempts == 2


async def test_of_many_processes_that_see_it_one_takes_it_over(any_workshop: Workshop) -> None:
    processes = [await any_workshop.process() for _ in range(6)]
    rows = [await any_workshop.abandoned() for _ in range(10)]

    await asyncio.gather(*(process.recovery.take_over() for process in processes))

    for row in rows:
        assert (await any_workshop.ended(row.id)).attempts == 2
    assert len(any_workshop.backend.calls) == len(rows)


async def test_a_process_that_lost_its_lease_can_not_change_what_another_one_finished(
    any_workshop: Workshop,
) -> None:
    any_workshop.backend.gate.clear()
    row = await any_workshop.predict(3, wait_ms=1)
    await any_workshop.abandon(row.id, owner=any_workshop.here.runs.owner)
    other = await any_workshop.process()

    await other.recovery.take_over()
    any_workshop.backend.gate.set()
    await any_workshop.here.runs.drain(5)
    await other.runs.drain(5)

    stored = await any_workshop.stored(row.id)
    assert (stored.status, stored.attempts) == ("SUCCEEDED", 2)
    assert len(any_workshop.backend.calls) == 2
    assert row.status == "RUNNING"


async def test_of_racing_finishes_the_first_counts_and_the_status_never_changes_again(
    any_workshop: Workshop,
) -> None:
    row = await any_workshop.abandoned()

    async def finish(status: str) -> bool:
        async with any_workshop.database.write() as connection:
            return await queries.finish(connection, row.id, "gone", {"status": status, "request_id": status})

    wins = await asyncio.gather(*(finish(status) for status in ["SUCCEEDED", "FAILED", "CANCELED"] * 4))

    stored = await any_workshop.stored(row.id)
    assert wins.count(True) == 1
    assert stored.status == stored.request_id == (["SUCCEEDED", "FAILED", "CANCELED"] * 4)[wins.index(True)]


async def test_nothing_opens_a_finished_prediction_again(any_workshop: Workshop) -> None:
    row = await any_workshop.predict()
    abandoned = await any_workshop.stored(row.id)
    abandoned.owner, abandoned.lease_until = any_workshop.here.runs.owner, now()
    until = now() + timedelta(minutes=1)

    async with any_workshop.database.write() as connection:
        changed = [
            await queries.start(connection, row.id, any_workshop.here.runs.owner, now(), until),
            await queries.take_over(connection, abandoned, "thief", until),
            await queries.finish(connection, row.id, any_workshop.here.runs.owner, {"status": "FAILED"}),
        ]
        await queries.expire_leases(connection, now())
        await queries.renew_leases(connection, any_workshop.here.runs.owner, [row.id], until)

    assert changed == [False, False, False]
    stored = await any_workshop.stored(row.id)
    assert (stored.status, stored.owner, stored.lease_until) == ("SUCCEEDED", None, None)


async def test_one_that_keeps_ending_its_process_fails_and_may_be_tried_again(workshop: Workshop) -> None:
    row = await workshop.abandoned(attempts=2)

    await workshop.here.recovery.take_over()

    stored = await workshop.ended(row.id)
    assert stored.error is not None
    assert (stored.status, stored.attempts) == ("FAILED", 3)
    assert (stored.error["code"], stored.error["retryable"]) == ("MODEL_ERROR", True)
    assert workshop.backend.calls == []


async def test_what_may_not_simply_run_again_fails(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workshop.backend, "is_repeatable", False)
    row = await workshop.abandoned()

    await workshop.here.recovery.take_over()

    assert (await workshop.ended(row.id)).status == "FAILED"
    assert workshop.backend.calls == []


async def test_what_had_not_begun_is_run_whatever_it_is(
    any_workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(any_workshop.backend, "is_repeatable", False)
    row = await any_workshop.abandoned(status="QUEUED")

    await any_workshop.here.recovery.take_over()

    ended = await any_workshop.ended(row.id)
    assert (ended.status, ended.attempts, len(any_workshop.backend.calls)) == ("SUCCEEDED", 1, 1)


async def test_what_is_failed_for_its_process_tells_when_it_had_begun(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workshop.backend, "is_repeatable", False)
    begun = now()
    row = await workshop.abandoned(started_at=begun)

    await workshop.here.recovery.take_over()

    assert (await workshop.ended(row.id)).started_at == begun


async def test_what_was_to_be_canceled_is_canceled_and_what_is_past_its_deadline_fails(
    workshop: Workshop,
) -> None:
    canceled = await workshop.abandoned(cancel_requested=True)
    late = await workshop.abandoned(deadline_at=now() - timedelta(seconds=1))

    await workshop.here.recovery.take_over()

    assert (await workshop.ended(canceled.id)).status == "CANCELED"
    assert (await workshop.ended(late.id)).error["code"] == "TIMEOUT"  # type: ignore[index]
    assert workshop.backend.calls == []


async def test_a_process_that_is_alone_takes_over_before_any_lease_runs_out(workshop: Workshop) -> None:
    row = await workshop.abandoned(lease_until=now() + timedelta(hours=1))

    await workshop.here.recovery.take_over_everything()

    assert (await workshop.ended(row.id)).status == "SUCCEEDED"


async def test_more_abandoned_predictions_than_one_page_are_taken_over_at_once(workshop: Workshop) -> None:
    for _ in range(250):
        await workshop.abandoned()

    await workshop.here.recovery.take_over()
    await workshop.here.runs.drain(20)

    assert {row.status for row in await workshop.all_stored()} == {"SUCCEEDED"}


async def test_what_waits_for_its_model_keeps_nothing_else_waiting(workshop: Workshop) -> None:
    loading = await other_version(workshop, "loading", status="LOADING")
    for _ in range(120):
        await workshop.abandoned(model_version_id=loading.id, model_id=loading.model_id)
    row = await workshop.abandoned(lease_until=now() - timedelta(seconds=1))

    await workshop.here.recovery.take_over()

    assert (await workshop.ended(row.id)).status == "SUCCEEDED"
    assert [row.status for row in await workshop.all_stored()].count("RUNNING") == 120


@pytest.mark.parametrize("status", ["FAILED", "RETIRED"])
async def test_what_can_not_be_served_any_more_fails_and_may_be_tried_again(
    workshop: Workshop, status: str
) -> None:
    gone = await other_version(workshop, "gone", status=status)
    row = await workshop.abandoned(model_version_id=gone.id, model_id=gone.model_id)

    await workshop.here.recovery.take_over()

    stored = await workshop.ended(row.id)
    assert stored.error is not None
    assert (stored.status, stored.error["code"], stored.error["retryable"]) == ("FAILED", "MODEL_ERROR", True)


async def test_a_prediction_of_a_model_that_this_process_has_not_heard_of_stops_nothing(
    workshop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    await Registry(workshop.database).apply([told("newer")])
    newer = await version_named(workshop, "newer")
    unknown = await workshop.abandoned(model_version_id=newer.id, model_id=newer.model_id)
    row = await workshop.abandoned()
    process = workshop.here

    with caplog.at_level(logging.INFO):
        await process.recovery.take_over()

    assert (await workshop.ended(row.id)).status == "SUCCEEDED"
    assert (await workshop.stored(unknown.id)).status == "RUNNING"


async def test_the_recovery_loop_outlives_what_nobody_expected(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    process = await workshop.process(lease_seconds=0.05)
    failures = [ZeroDivisionError("unexpected")]
    take_over = queries.abandoned

    async def failing_once(*args: Any) -> Any:
        if failures:
            raise failures.pop()
        return await take_over(*args)

    monkeypatch.setattr(queries, "abandoned", failing_once)
    row = await workshop.abandoned()

    async with recovering(process):
        assert (await workshop.ended(row.id)).status == "SUCCEEDED"

    assert "unexpected" in caplog.text


async def test_a_live_process_keeps_its_lease_however_long_a_prediction_takes(any_workshop: Workshop) -> None:
    owner = await any_workshop.process(lease_seconds=SHORT_LEASE)
    other = await any_workshop.process(lease_seconds=SHORT_LEASE)
    any_workshop.backend.gate.clear()
    any_workshop.here = owner
    row = await any_workshop.predict(wait_ms=1)

    async with recovering(owner), recovering(other):
        await asyncio.sleep(4 * SHORT_LEASE)
        any_workshop.backend.gate.set()
        stored = await any_workshop.ended(row.id)

    assert (stored.status, stored.attempts) == ("SUCCEEDED", 1)
    assert len(any_workshop.backend.calls) == 1


async def test_what_a_process_lost_is_taken_over_also_while_it_runs_others(workshop: Workshop) -> None:
    process = workshop.here = await workshop.process(lease_seconds=SHORT_LEASE)
    workshop.backend.gate.clear()
    busy = await workshop.predict(wait_ms=1)
    lost = await workshop.abandoned(
        owner=process.runs.owner, lease_until=now() + timedelta(seconds=SHORT_LEASE)
    )

    async with recovering(process):
        await workshop.backend.was_asked(2)
        workshop.backend.gate.set()
        ended = [await workshop.ended(row.id) for row in (busy, lost)]

    assert [row.status for row in ended] == ["SUCCEEDED", "SUCCEEDED"]
    assert [row.attempts for row in ended] == [1, 2]


async def test_what_does_not_end_within_the_grace_time_is_left_to_others_at_once(workshop: Workshop) -> None:
    workshop.backend.gate.clear()
    row = await workshop.predict(wait_ms=1)
    other = await workshop.process()

    await workshop.here.runs.drain(0.01)
    workshop.backend.gate.set()
    await asyncio.sleep(0.01)
    await other.recovery.take_over()

    assert (await workshop.ended(row.id)).attempts == 2


async def test_a_process_that_is_ending_takes_nothing_over(workshop: Workshop) -> None:
    row = await workshop.abandoned()

    await workshop.here.runs.drain(20)
    taken = await workshop.here.recovery.take_over()

    assert taken == 0
    assert (await workshop.stored(row.id)).owner == "gone"


async def test_an_orderly_end_waits_for_what_runs(workshop: Workshop) -> None:
    workshop.backend.gate.clear()
    row = await workshop.predict(wait_ms=1)
    asyncio.get_running_loop().call_later(0.05, workshop.backend.gate.set)

    await workshop.here.runs.drain(20)

    assert (await workshop.stored(row.id)).status == "SUCCEEDED"


async def other_version(workshop: Workshop, name: str, *, status: str) -> ModelVersionRow:
    """Registers another model whose version has a status, and lets the first process know."""
    await Registry(workshop.database).apply([told(name)])
    version = await version_named(workshop, name)
    async with workshop.database.write() as connection:
        changed = model_versions.update().where(model_versions.c.id == version.id)
        await connection.execute(changed.values(status=status))
    await workshop.here.catalog.refresh()
    return version


async def version_named(workshop: Workshop, name: str) -> ModelVersionRow:
    """Returns the row of a model's version."""
    async with workshop.database.read() as connection:
        found = await connection.exec_driver_sql(
            f"SELECT v.id FROM model_version v JOIN model m ON m.id = v.model_id WHERE m.name = '{name}'"
        )
        version_id = found.scalar_one()
        row = (
            await connection.execute(model_versions.select().where(model_versions.c.id == version_id))
        ).one()
    return ModelVersionRow(**row._asdict())
