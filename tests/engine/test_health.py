"""READY ⇄ DEGRADED by health checks that use no traffic of users."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from db.session import Database
from engine.backends.registry import BACKENDS
from engine.errors import ModelError
from engine.health import Health
from engine.registry import Registry
from tests.engine.workshop import KIND, ToldBackend, Workshop, opened_workshop, told


class Probed(ToldBackend):
    """Is well, unless it is told what is wrong, and counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.problem: ModelError | None = None
        self.probes = 0

    async def probe(self) -> None:
        self.probes += 1
        if self.problem is not None:
            raise self.problem


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Probed:
    backend = Probed()
    monkeypatch.setitem(BACKENDS, KIND, backend)
    return backend


@pytest.fixture
async def workshop(any_database: Database, backend: Probed) -> AsyncIterator[Workshop]:
    async with opened_workshop(any_database, backend) as workshop:
        yield workshop


def status(workshop: Workshop) -> tuple[str, str | None]:
    row = workshop.here.catalog.versions()[0].row
    return row.status, row.status_reason


async def test_a_server_that_is_not_well_twice_degrades_its_version_until_it_is_well_again(
    workshop: Workshop, backend: Probed
) -> None:
    health = Health(workshop.here.serving, every_seconds=3600)
    seen = []

    for problem in (None, ModelError("It is down."), ModelError("It is down."), None):
        backend.problem = problem
        await health.look()
        seen.append(status(workshop))

    assert seen == [("READY", None), ("READY", None), ("DEGRADED", "It is down."), ("READY", None)]
    assert (backend.probes, backend.calls) == (4, [])


async def test_a_version_that_is_degraded_still_answers(workshop: Workshop, backend: Probed) -> None:
    health = Health(workshop.here.serving, every_seconds=3600)
    backend.problem = ModelError("It is slow.")
    for _ in range(2):
        await health.look()

    assert (await workshop.predict()).status == "SUCCEEDED"
    assert status(workshop) == ("DEGRADED", "It is slow.")


async def test_what_is_found_out_here_every_process_knows(workshop: Workshop, backend: Probed) -> None:
    other = await workshop.process()
    health = Health(workshop.here.serving, every_seconds=3600)
    backend.problem = ModelError("It is down.")
    for _ in range(2):
        await health.look()

    await other.serving.look()

    assert other.catalog.versions()[0].row.status == "DEGRADED"


async def test_a_probe_without_an_answer_is_one_that_failed(
    workshop: Workshop, backend: Probed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("engine.health.PROBE_SECONDS", 0.01)
    monkeypatch.setattr(backend, "probe", wait)
    health = Health(workshop.here.serving, every_seconds=3600)
    for _ in range(2):
        await health.look()

    assert status(workshop) == ("DEGRADED", "The model server did not answer a health check in time.")


async def test_what_has_no_server_is_not_asked(database: Database, told_backend: ToldBackend) -> None:
    async with opened_workshop(database, told_backend) as workshop:
        await Registry(database).apply([told()])

        await Health(workshop.here.serving, every_seconds=3600).look()

        assert status(workshop) == ("READY", None)


async def test_probes_go_on_by_themselves(workshop: Workshop, backend: Probed) -> None:
    running = asyncio.create_task(Health(workshop.here.serving, every_seconds=0.01).run())

    async with asyncio.timeout(10):
        while backend.probes < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
