import asyncio
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from db.tables.jobs import chunks, jobs
from db.types import now
from engine.errors import ConflictError, ModelError, NotFoundError
from engine.jobs import upkeep
from engine.jobs.control import pause_job
from engine.storage.directory import DirectoryStorage
from engine.values import Viewer
from tests.engine.jobs.bench import Bench, ManyToldBackend


@pytest.fixture(autouse=True)
def _short_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "RECONCILE_SECONDS", 0.1)
    monkeypatch.setattr(upkeep, "STUCK", timedelta(hours=1))  # a job ends because all of it has


async def test_cancel_stops_running_items_and_begins_no_more(any_bench: Bench) -> None:
    job = await any_bench.submit(100)
    any_bench.backend.gate.clear()

    async with any_bench.working():
        await any_bench.backend.was_asked(8)
        await any_bench.jobs.control.cancel(any_bench.viewer, job.id)
        ended = await any_bench.ended(job.id)
        asked = len(any_bench.backend.calls)
        await asyncio.sleep(0.2)

    assert (ended.status, ended.canceled, ended.succeeded, ended.open_chunks) == ("CANCELED", 100, 0, 0)
    assert len(any_bench.backend.calls) == asked
    assert await any_bench.items(job.id) == []


class GatedStorage(DirectoryStorage):
    """Reads no part of a file before its gate is opened."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.was_asked = threading.Event()
        self.gate = threading.Event()

    def read(self, key: str, start: int, end: int) -> bytes:
        self.was_asked.set()
        self.gate.wait(20)
        return super().read(key, start, end)


async def test_cancel_reaches_a_chunk_that_is_being_read(any_bench: Bench, tmp_path: Path) -> None:
    storage = GatedStorage(tmp_path / "files")
    any_bench.base = replace(any_bench.base, storage=storage)
    job = await any_bench.submit(3)

    async with any_bench.working():
        await asyncio.to_thread(storage.was_asked.wait, 20)
        await any_bench.jobs.control.cancel(any_bench.viewer, job.id)
        ended = await any_bench.ended(job.id)
        storage.gate.set()

    assert (ended.status, ended.canceled, ended.open_chunks) == ("CANCELED", 3, 0)
    assert any_bench.backend.calls == []


async def test_a_worker_that_is_stopped_while_it_begins_a_chunk_gives_it_back(bench: Bench) -> None:
    async with bench.working() as worker:
        pass
    job = await bench.submit(3)
    async with bench.database.write() as connection:
        await connection.execute(update(chunks).values(state="offered", offered_at=now()))
    (chunk,) = await bench.chunks(job.id)

    async with bench.database.write():  # what comes before it
        handling = asyncio.create_task(worker.handle(chunk.id or 0))
        await asyncio.sleep(0.05)
        handling.cancel()
        await asyncio.sleep(0.05)
    await asyncio.wait([handling])

    (chunk,) = await bench.chunks(job.id)
    assert handling.cancelled()
    assert (chunk.state, chunk.owner, chunk.fence, chunk.starts) == ("pending", None, 1, 0)


async def test_cancel_keeps_what_has_ended(bench: Bench) -> None:
    stuck = asyncio.Event()

    async def look() -> None:
        if bench.backend.calls[-1].value["records"][0]["x"] == 3:
            await stuck.wait()

    bench.backend.look = look
    job = await bench.submit(20)
    async with bench.working(slots=1):
        await bench.backend.was_asked(8)
        await asyncio.sleep(0.1)
        await bench.jobs.control.cancel(bench.viewer, job.id)
        ended = await bench.ended(job.id)

    assert (ended.status, ended.succeeded, ended.canceled) == ("CANCELED", 7, 13)
    assert {row.item_index for row in await bench.items(job.id)} == {0, 1, 2, 4, 5, 6, 7}


async def test_a_worker_that_no_message_reaches_cancels_within_seconds(bench: Bench) -> None:
    job = await bench.submit(3)
    bench.backend.gate.clear()

    async with bench.working(alone=False):
        await bench.backend.was_asked(3)
        await bench.jobs.control.cancel(bench.viewer, job.id)
        ended = await bench.ended(job.id)

    assert (ended.status, ended.canceled) == ("CANCELED", 3)


async def test_a_job_whose_worker_is_gone_is_canceled_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "STUCK", timedelta(seconds=0.3))
    job = await bench.submit(3)
    bench.backend.gate.clear()
    async with bench.working():
        await bench.backend.was_asked(3)
        async with bench.database.write() as connection:
            await connection.execute(
                update(jobs).values(status="CANCELING", ends_as="CANCELED", ending_at=now())
            )
        bench.backend.gate.set()
        ended = await bench.ended(job.id)

    assert ended.status == "CANCELED"
    assert ended.succeeded + ended.canceled == 3


async def test_a_job_that_has_ended_can_not_be_canceled(bench: Bench) -> None:
    job = await bench.submit(1)
    async with bench.working():
        await bench.ended(job.id)

    with pytest.raises(ConflictError, match="The job is SUCCEEDED"):
        await bench.jobs.control.cancel(bench.viewer, job.id)


async def test_a_job_that_waits_is_canceled_at_once(any_bench: Bench) -> None:
    job = await any_bench.submit(10)

    row = await any_bench.jobs.control.cancel(any_bench.viewer, job.id)

    assert (row.status, row.canceled, row.finished_at is not None) == ("CANCELED", 10, True)


async def test_a_job_of_another_project_is_not_there(bench: Bench) -> None:
    job = await bench.submit(1)
    stranger = Viewer("0" * 32, None, "stranger", bench.viewer.scopes)

    for control in (bench.jobs.control.cancel, bench.jobs.control.pause, bench.jobs.control.resume):
        with pytest.raises(NotFoundError):
            await control(stranger, job.id)
    with pytest.raises(NotFoundError):
        await bench.jobs.control.retry(stranger, job.id, permanent_too=True)
    assert (await bench.job(job.id)).status == "QUEUED"


async def test_a_paused_job_begins_nothing_until_it_is_resumed(any_bench: Bench) -> None:
    job = await any_bench.submit(100)
    any_bench.backend.gate.clear()

    async with any_bench.working():
        await any_bench.backend.was_asked(8)
        paused = await any_bench.jobs.control.pause(any_bench.viewer, job.id)
        any_bench.backend.gate.set()
        rested = await any_bench.rested(job.id)
        asked = len(any_bench.backend.calls)
        resumed = await any_bench.jobs.control.resume(any_bench.viewer, job.id)
        ended = await any_bench.ended(job.id)

    assert (paused.status, rested.status, resumed.status) == ("PAUSED", "PAUSED", "RUNNING")
    assert rested.succeeded == asked < 100
    assert (ended.status, ended.succeeded) == ("SUCCEEDED", 100)


async def test_who_pauses_a_job_can_say_why(bench: Bench) -> None:
    job = await bench.submit(1)

    await pause_job(bench.database, bench.base.bus, job.id, "The budget is used up.")

    assert (await bench.job(job.id)).status_reason == "The budget is used up."


async def test_a_job_past_its_window_expires_and_keeps_what_has_ended(any_bench: Bench) -> None:
    job = await any_bench.submit(50)
    begun, stuck = asyncio.Event(), asyncio.Event()

    async def look() -> None:
        if len(any_bench.backend.calls) > 10:
            begun.set()
            await stuck.wait()

    any_bench.backend.look = look
    async with any_bench.working():
        await asyncio.wait_for(begun.wait(), 30)
        async with any_bench.database.write() as connection:
            await connection.execute(update(jobs).values(deadline_at=now() + timedelta(seconds=0.5)))
        ended = await any_bench.ended(job.id)

    assert (ended.status, ended.status_reason) == ("EXPIRED", upkeep.EXPIRED)
    assert ended.succeeded + ended.canceled == 50
    assert len(await any_bench.items(job.id)) == ended.succeeded > 0


async def test_retry_runs_the_items_again_that_may_succeed_now(
    many_bench: Bench, many: ManyToldBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.jobs.chunk.FIRST_WAIT_SECONDS", 0.01)
    many.bad = {3.0: ModelError("Later.", retryable=True), 4.0: ModelError("Never.")}
    job = await many_bench.submit(600)
    async with many_bench.working():
        first = await many_bench.ended(job.id)
        many.bad.clear()
        many.calls.clear()
        again = await many_bench.jobs.control.retry(many_bench.viewer, job.id, permanent_too=False)
        second = await many_bench.ended(job.id)

    items = await many_bench.items(job.id)
    current = {row.item_index: row.status for row in items if not row.is_replaced}
    assert (first.succeeded, first.failed, again.status, again.failed) == (598, 2, "QUEUED", 1)
    assert (second.status, second.succeeded, second.failed, second.sequence) == ("SUCCEEDED", 599, 1, 601)
    assert [data.value["records"][0]["x"] for data in many.calls] == [3]
    assert (len(current), current[3], current[4]) == (600, "SUCCEEDED", "FAILED")
    assert [row.status for row in items if row.is_replaced] == ["FAILED"]
    assert await many_bench.billed(job.id) == 601


async def test_retry_can_take_permanent_errors_too(any_bench: Bench) -> None:
    any_bench.backend.error = ModelError("Never.")
    job = await any_bench.submit(10)
    async with any_bench.working():
        await any_bench.ended(job.id)
        any_bench.backend.error = None
        await any_bench.jobs.control.retry(any_bench.viewer, job.id, permanent_too=True)
        ended = await any_bench.ended(job.id)

    assert (ended.status, ended.succeeded, ended.failed) == ("SUCCEEDED", 10, 0)


async def test_there_is_nothing_to_retry_in_a_job_that_runs_or_succeeded(bench: Bench) -> None:
    job = await bench.submit(1)
    with pytest.raises(ConflictError, match="The job is QUEUED"):
        await bench.jobs.control.retry(bench.viewer, job.id, permanent_too=False)
    async with bench.working():
        await bench.ended(job.id)

    with pytest.raises(ConflictError, match="No item failed"):
        await bench.jobs.control.retry(bench.viewer, job.id, permanent_too=False)
