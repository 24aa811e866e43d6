from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from db.tables.jobs import jobs, uploads
from db.tables.models import model_versions
from db.types import now
from engine.errors import ConflictError
from engine.jobs.cleanup import KEPT, Cleanup
from engine.jobs.lines import Item, line_of
from engine.storage.base import MissingFileError, write_whole
from engine.values import BatchRequest, ModelRef
from tests.engine.jobs.bench import Bench
from tests.engine.specs import tabular

OLD = KEPT + timedelta(seconds=1)


async def age(bench: Bench, job_id: str) -> None:
    """Makes a job look as one that ended long ago."""
    changes = {"finished_at": (await bench.job(job_id)).created_at - OLD}
    async with bench.database.write() as connection:
        await connection.execute(update(jobs).where(jobs.c.id == job_id).values(**changes))


async def uploaded(bench: Bench) -> tuple[str, str]:
    """Puts a file of one item, and returns the upload's id and where it is."""
    content = line_of(Item(None, tabular({"x": 1})))
    row, _ = await bench.jobs.uploads.create(bench.viewer, "a.jsonl", len(content), None)

    async def body() -> AsyncIterator[bytes]:
        yield content

    await bench.jobs.uploads.receive(row.id, body())
    async with bench.database.read() as connection:
        key = (await connection.execute(select(uploads.c.key).where(uploads.c.id == row.id))).scalar_one()
    return row.id, key


async def submit(bench: Bench, upload_id: str) -> str:
    request = BatchRequest(ModelRef(name="told"), upload_id=upload_id)
    return (await bench.jobs.batches.submit(bench.viewer, request, "request"))[0].id


async def test_the_source_of_a_job_goes_a_week_after_its_end(any_bench: Bench) -> None:
    old, new = await any_bench.submit(1), await any_bench.submit(1)
    async with any_bench.working():
        await any_bench.ended(old.id)
        await any_bench.ended(new.id)
    await age(any_bench, old.id)

    await Cleanup(any_bench.database, any_bench.base.storage).sweep()

    with pytest.raises(MissingFileError):
        any_bench.base.storage.read(old.source, 0, 1)
    assert any_bench.base.storage.read(new.source, 0, 1) == b"{"
    with pytest.raises(ConflictError, match="not kept any more"):
        await any_bench.jobs.control.retry(any_bench.viewer, old.id, permanent_too=True)


async def test_a_file_that_a_job_still_needs_stays(any_bench: Bench) -> None:
    upload_id, key = await uploaded(any_bench)
    done = await submit(any_bench, upload_id)
    async with any_bench.working():
        await any_bench.ended(done)
    await age(any_bench, done)
    await submit(any_bench, upload_id)

    await Cleanup(any_bench.database, any_bench.base.storage).sweep()

    assert any_bench.base.storage.read(key, 0, 1) == b"{"


async def test_a_file_that_nobody_used_goes_and_its_upload_with_it(any_bench: Bench) -> None:
    upload_id, key = await uploaded(any_bench)
    waiting, _ = await any_bench.jobs.uploads.create(any_bench.viewer, "b.jsonl", 1, None)
    async with any_bench.database.write() as connection:
        await connection.execute(update(uploads).values(expires_at=waiting.created_at - OLD))

    await Cleanup(any_bench.database, any_bench.base.storage).sweep()

    async with any_bench.database.read() as connection:
        assert (await connection.execute(select(uploads.c.id))).all() == []
    with pytest.raises(MissingFileError):
        any_bench.base.storage.read(key, 0, 1)
    assert upload_id != waiting.id


async def test_the_file_of_a_version_goes_a_week_after_that_was_retired(any_bench: Bench) -> None:
    left = []
    for ago in (timedelta(days=1), OLD):
        write_whole(any_bench.base.storage, "uploads/model", b"model")
        changes = {"config": {"key": "uploads/model", "sha256": "0"}, "retired_at": now() - ago}
        async with any_bench.database.write() as connection:
            await connection.execute(model_versions.update().values(**changes))

        await Cleanup(any_bench.database, any_bench.base.storage).sweep()

        async with any_bench.database.read() as connection:
            config = (await connection.execute(select(model_versions.c.config))).scalar_one()
        left.append((is_there(any_bench, "uploads/model"), config))

    assert left == [(True, {"key": "uploads/model", "sha256": "0"}), (False, {"sha256": "0"})]


def is_there(bench: Bench, key: str) -> bool:
    try:
        return bench.base.storage.read(key, 0, 1) != b""
    except MissingFileError:
        return False
