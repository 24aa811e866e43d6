"""Jobs that an alias leads to: they keep to what it said, and fall back as predictions do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from db.session import Database
from db.tables import JobRow
from engine.backends.registry import BACKENDS
from engine.errors import ModelError, ThrottledError
from engine.jobs import chunk as chunk_module
from engine.usage.ledger import part_of
from engine.values import BatchItem, BatchRequest, CircuitState, VersionRef
from tests.engine.jobs.bench import Bench, ManyToldBackend
from tests.engine.routing.fleet import FLEET, Backends, Fleet, opened_fleet
from tests.engine.specs import tabular
from tests.engine.workshop import KIND

DOWN = ModelError("It is down.", retryable=True)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_module, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(chunk_module, "LEAST_WAIT_SECONDS", 0.01)


async def submitted(fleet: Fleet, bench: Bench, count: int = 4, **more: Any) -> JobRow:
    """Takes in a job of the alias `production` whose items have the `x` 0, 1, …"""
    items = tuple(BatchItem(None, tabular({"x": x})) for x in range(count))
    request = BatchRequest(FLEET, VersionRef(alias="production"), items=items, **more)
    job, _ = await bench.jobs.batches.submit(fleet.workshop.viewer, request, "request")
    return job


async def ended(fleet: Fleet, bench: Bench, job: JobRow) -> list[tuple[str, str | None, str | None, int]]:
    """Works a job off, and returns of each item status, who answered, in whose place, and its calls."""
    async with bench.working():
        await bench.ended(job.id)
    rows = sorted(await bench.items(job.id), key=lambda row: row.item_index or 0)
    assert {row.alias_id for row in rows} == {job.alias_id}
    return [fleet.went(row) for row in rows]


async def test_a_job_goes_to_one_target_of_its_alias_and_stays_there_when_that_moves(
    any_fleet: Fleet, tmp_path: Path
) -> None:
    bench = Bench.of(any_fleet.workshop, tmp_path)
    alias = await any_fleet.alias(targets={"1": 1, "2": 1})
    drawn = any_fleet.answered(await any_fleet.ask())
    job = await submitted(any_fleet, bench)
    await any_fleet.alias(targets={"3": 1})

    found = await ended(any_fleet, bench, job)

    assert job.alias_id == alias.id
    assert found == [("SUCCEEDED", drawn, None, 1)] * 4
    assert {part_of(row) for row in await bench.items(job.id)} == {"ARM"}
    assert await bench.billed(job.id) == 4


async def test_the_sticky_key_of_a_job_draws_its_target(fleet: Fleet, tmp_path: Path) -> None:
    bench = Bench.of(fleet.workshop, tmp_path)
    await fleet.alias(targets={"1": 1, "2": 1})

    jobs = [await submitted(fleet, bench, 1, sticky_key=f"{number}") for number in range(20)]

    assert {fleet.name(job.model_version_id) for job in jobs} == {"1", "2"}


async def test_items_that_fail_go_on_to_the_fallback_that_the_alias_had(fleet: Fleet, tmp_path: Path) -> None:
    bench = Bench.of(fleet.workshop, tmp_path)
    await fleet.alias(targets={"1": 1}, fallbacks=("2",))
    job = await submitted(fleet, bench)
    await fleet.alias(targets={"1": 1})
    fleet.backend("1").error = DOWN

    found = await ended(fleet, bench, job)

    assert found == [("SUCCEEDED", "2", "1", 2)] * 4
    assert {part_of(row) for row in await bench.items(job.id)} == {"FALLBACK"}


async def test_items_pass_over_an_open_circuit_and_a_version_that_rests(fleet: Fleet, tmp_path: Path) -> None:
    bench = Bench.of(fleet.workshop, tmp_path)
    await fleet.alias(targets={"1": 1}, fallbacks=("2", "3"))
    fleet.backend("1").error, fleet.backend("2").error = DOWN, ThrottledError(retry_after_seconds=60)
    for _ in range(5):
        await fleet.ask()
    calls = [len(fleet.backend(name).calls) for name in ("1", "2")]

    found = await ended(fleet, bench, await submitted(fleet, bench))

    assert found == [("SUCCEEDED", "3", "1", 1)] * 4
    assert [len(fleet.backend(name).calls) for name in ("1", "2")] == calls


async def test_a_job_without_a_fallback_waits_for_an_open_circuit_and_uses_up_no_attempts(
    fleet: Fleet, tmp_path: Path
) -> None:
    bench = Bench.of(fleet.workshop, tmp_path)
    await fleet.alias(targets={"1": 1})
    job = await submitted(fleet, bench)
    version_id = fleet.version("1").row.id
    circuits = fleet.workshop.here.router.circuits
    circuits.pause_seconds = 0.3
    for _ in range(5):
        await circuits.failed(version_id)
    assert circuits.state(version_id) is CircuitState.OPEN

    found = await ended(fleet, bench, job)

    assert found == [("SUCCEEDED", "1", None, 1)] * 4
    assert circuits.state(version_id) is CircuitState.CLOSED


async def test_items_that_are_run_together_fall_back_one_by_one(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    backends = Backends(ManyToldBackend)
    monkeypatch.setitem(BACKENDS, KIND, backends)
    async with opened_fleet(database, backends) as fleet:
        bench = Bench.of(fleet.workshop, tmp_path)
        await fleet.alias(targets={"1": 1}, fallbacks=("2",))
        first = fleet.backend("1")
        assert isinstance(first, ManyToldBackend)
        first.bad = {1.0: DOWN, 2.0: ModelError("Never.")}

        found = await ended(fleet, bench, await submitted(fleet, bench))

    assert found == [
        ("SUCCEEDED", "1", None, 1),
        ("SUCCEEDED", "2", "1", 2),
        ("FAILED", "1", None, 1),
        ("SUCCEEDED", "1", None, 1),
    ]
