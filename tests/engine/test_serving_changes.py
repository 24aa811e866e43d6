"""What a process that runs does when the registry changes: here, by another process, or by the operator."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from db.queries import models as queries
from db.session import Database
from engine.backends.base import Metadata
from engine.backends.registry import BACKENDS
from engine.bus.memory import MemoryBus
from engine.catalog import CatalogVersion
from engine.definitions import PriceDefinition
from engine.errors import ModelError, ModelNotReadyError
from engine.registry import Registry
from engine.revision import changing_registry
from engine.values import ModelRef, ServingStatus
from tests.engine.workshop import KIND, NOBODY, Process, ToldBackend, Workshop, opened_workshop, request, told


class Watched(ToldBackend):
    """Notes how often it was made, loaded and closed, and fails to load where it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.loads = self.closes = 0
        self.does_not_load: ModelError | None = None

    async def load(self) -> Metadata:
        self.loads += 1
        if self.does_not_load is not None:
            raise self.does_not_load
        return Metadata()

    async def close(self) -> None:
        self.closes += 1


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Watched:
    backend = Watched()
    monkeypatch.setitem(BACKENDS, KIND, backend)
    return backend


@pytest.fixture
async def workshop(any_database: Database, backend: Watched) -> AsyncIterator[Workshop]:
    async with opened_workshop(any_database, backend) as workshop:
        yield workshop


def version_in(process: Process, name: str) -> CatalogVersion:
    model = process.catalog.model(NOBODY, ModelRef(name=name))
    return process.catalog.version(model, None)


async def settled(process: Process) -> None:
    """Takes up what has changed, and waits until all of it is loaded."""
    await process.serving.look()
    await process.serving.load_all()


async def retire(workshop: Workshop) -> None:
    row = workshop.here.catalog.versions()[0].row
    async with changing_registry(workshop.database, MemoryBus()) as connection:
        await queries.change_version(connection, row.id, status=ServingStatus.RETIRED)


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_what_one_process_registers_every_other_one_serves(workshop: Workshop) -> None:
    other = await workshop.process()

    await Registry(workshop.database).apply([told(), told("new")])
    for process in (workshop.here, other):
        await settled(process)

    for process in (workshop.here, other):
        assert process.serving.get(version_in(process, "new")).version.row.status == "READY"


async def test_a_message_on_the_bus_is_obeyed_before_the_next_look(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.serving.LOOK_SECONDS", 3600.0)
    running = asyncio.create_task(workshop.here.serving.run())
    await asyncio.sleep(0)
    await Registry(workshop.database).apply([told(), told("new")])

    async with changing_registry(workshop.database, workshop.here.bus):
        pass

    await until(lambda: len(workshop.here.serving.loaded()) == 2)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_while_nothing_changes_a_look_costs_one_small_statement(workshop: Workshop) -> None:
    await settled(workshop.here)
    before = version_in(workshop.here, "told")

    await workshop.here.serving.look()

    assert version_in(workshop.here, "told") is before


async def test_a_new_price_is_charged_from_the_next_prediction_on(workshop: Workshop) -> None:
    price = PriceDefinition.model_validate({"per_prediction": "0.5"})
    before = await workshop.predict()

    definition = told()
    version = definition.versions[0].model_copy(update={"price": price})
    await Registry(workshop.database).apply([definition.model_copy(update={"versions": [version]})])
    await workshop.here.serving.look()
    after = await workshop.predict()

    assert (before.cost_nanos, after.cost_nanos) == (1_000, 500_000_000)


async def test_what_runs_on_a_version_that_is_retired_ends_before_its_backend_is_closed(
    workshop: Workshop, backend: Watched
) -> None:
    backend.gate.clear()
    row = await workshop.predict(wait_ms=0)
    await backend.was_asked()

    await retire(workshop)
    await workshop.here.serving.look()
    with pytest.raises(ModelNotReadyError, match="RETIRED"):
        await workshop.predict()
    closed_meanwhile = backend.closes
    backend.gate.set()
    ended = await workshop.ended(row.id)
    await until(lambda: backend.closes)

    assert (ended.status, closed_meanwhile, backend.closes) == ("SUCCEEDED", 0, 1)


async def test_a_version_that_is_retired_is_not_ready_again_because_it_finished_loading(
    workshop: Workshop,
) -> None:
    version = workshop.here.catalog.versions()[0]
    await retire(workshop)

    await workshop.here.serving.note(version, status=ServingStatus.DEGRADED, status_reason="late")

    assert workshop.here.catalog.versions()[0].row.status == "RETIRED"


async def test_how_a_model_is_asked_changes_without_a_restart(workshop: Workshop, backend: Watched) -> None:
    definition = told()
    version = definition.versions[0].model_copy(update={"max_batch_delay_ms": 7.0})
    await workshop.predict()

    await Registry(workshop.database).apply([definition.model_copy(update={"versions": [version]})])
    await settled(workshop.here)

    assert (await workshop.predict()).status == "SUCCEEDED"
    assert version_in(workshop.here, "told").spec.config["maxBatchDelayMs"] == 7.0
    await until(lambda: (backend.loads, backend.closes) == (2, 1))


@pytest.mark.parametrize("retryable", [True, False])
async def test_a_process_that_can_not_load_a_version_leaves_it_to_those_that_can(
    workshop: Workshop, backend: Watched, retryable: bool
) -> None:
    backend.does_not_load = ModelError("The key is not set.", retryable=retryable)

    other = await workshop.process()
    await workshop.here.serving.look()

    assert (await workshop.predict()).status == "SUCCEEDED"
    row = version_in(workshop.here, "told").row
    assert (row.status, row.status_reason) == ("DEGRADED", "The key is not set.")
    with pytest.raises(ModelNotReadyError) as refused:
        await other.predictor.run(workshop.viewer, request(), "request")
    assert refused.value.retryable is retryable
