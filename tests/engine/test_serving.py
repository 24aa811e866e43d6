import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from db.session import Database
from db.tables import ModelRow, ModelVersionRow
from db.tables.models import model_versions, models
from engine.backends.base import Metadata
from engine.backends.registry import BACKENDS
from engine.bus.memory import MemoryBus
from engine.catalog import Catalog
from engine.definitions import BackendDefinition, ModelDefinition, VersionDefinition
from engine.errors import ModelError, ModelNotReadyError
from engine.registry import Registry
from engine.serving import Serving
from engine.values import BackendKind, ModelRef, ModelTask
from tests.engine import onnx_files
from tests.engine.specs import embedded
from tests.engine.workshop import KIND, NOBODY, ToldBackend, told


@dataclass
class Loading:
    """A process that serves what is registered."""

    catalog: Catalog
    serving: Serving

    def status(self, name: str) -> str:
        """Returns the status of a model as this process knows it."""
        return self.catalog.model(NOBODY, ModelRef(name=name)).row.status


@pytest.fixture
async def process(database: Database) -> AsyncIterator[Loading]:
    """A process on a database where nothing is registered yet."""
    with ThreadPoolExecutor(2) as executor:
        catalog = Catalog(database)
        yield Loading(catalog, Serving(database, catalog, executor, MemoryBus()))


async def serve(process: Loading, database: Database, *definitions: ModelDefinition) -> None:
    """Registers models, and loads them as a process does at its start."""
    await Registry(database).apply(definitions)
    await process.catalog.refresh()
    await process.serving.load_all()


async def version_of(database: Database, name: str) -> tuple[ModelRow, ModelVersionRow]:
    """Returns the rows of a model and its only version."""
    async with database.read() as connection:
        model = (await connection.execute(models.select().where(models.c.name == name))).one()
        its_version = model_versions.select().where(model_versions.c.model_id == model.id)
        version = (await connection.execute(its_version)).one()
    return ModelRow(**model._asdict()), ModelVersionRow(**version._asdict())


def onnx(name: str, path: Path, **version: object) -> ModelDefinition:
    """Returns the definition of a model for tensors."""
    backend = BackendDefinition(kind=BackendKind.ONNX, path=str(path))
    return ModelDefinition(
        name=name,
        display_name=name,
        task=ModelTask.TENSOR,
        versions=[VersionDefinition.model_validate({"version": "1", "backend": backend, **version})],
    )


async def test_what_is_loaded_is_ready_and_knows_its_tensors(process: Loading, database: Database) -> None:
    await serve(process, database, embedded("digits"))

    model, version = await version_of(database, "digits")
    assert (model.status, version.status, version.status_reason) == ("READY", "READY", None)
    assert version.inputs == [{"name": "image", "datatype": "FP32", "shape": [-1, 8, 8]}]
    assert version.outputs == [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}]
    assert process.serving.get(process.catalog.versions()[0]).version.row.id == version.id


async def test_one_that_can_not_be_loaded_fails_with_its_reason_and_the_others_are_served(
    process: Loading, database: Database, tmp_path: Path
) -> None:
    good = onnx_files.doubled(tmp_path / "good.onnx", "batch")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"broken")

    await serve(
        process,
        database,
        onnx("missing", tmp_path / "missing.onnx"),
        onnx("broken", broken),
        onnx("changed", good, backend={"kind": "ONNX", "path": str(good), "sha256": "0" * 64}),
        onnx("good", good),
    )

    reasons = {}
    for name in ("missing", "broken", "changed", "good"):
        model, version = await version_of(database, name)
        reasons[name] = version.status_reason or ""
        assert (
            model.status
            == version.status
            == process.status(name)
            == ("READY" if name == "good" else "FAILED")
        )
    assert "No such file" in reasons["missing"]
    assert "can not load" in reasons["broken"]
    assert "sha256" in reasons["changed"]


async def test_a_file_that_is_back_is_served_by_the_next_process(
    process: Loading, database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "late.onnx"
    await serve(process, database, onnx("late", path))
    failed = process.status("late")
    onnx_files.doubled(path, "batch")

    with ThreadPoolExecutor(1) as executor:
        later = Catalog(database)
        await later.refresh()
        await Serving(database, later, executor, MemoryBus()).load_all()

    assert failed == "FAILED"
    model, version = await version_of(database, "late")
    assert (model.status, version.status, version.status_reason) == ("READY", "READY", None)


async def test_a_start_that_finds_everything_as_it_was_writes_nothing(
    process: Loading, database: Database
) -> None:
    await serve(process, database, embedded("digits"))
    before = await version_of(database, "digits")

    with ThreadPoolExecutor(1) as executor:
        again = Catalog(database)
        await again.refresh()
        await Serving(database, again, executor, MemoryBus()).load_all()

    assert await version_of(database, "digits") == before


async def test_a_retired_version_is_neither_loaded_nor_asked(
    process: Loading, database: Database, told_backend: ToldBackend
) -> None:
    await Registry(database).apply([told()])
    async with database.write() as connection:
        await connection.execute(model_versions.update().values(status="RETIRED"))
    await process.catalog.refresh()

    await process.serving.load_all()

    with pytest.raises(ModelNotReadyError, match="RETIRED") as refused:
        process.serving.get(process.catalog.versions()[0])
    assert refused.value.retryable is False


async def test_while_it_loads_a_version_asks_for_patience(
    process: Loading, database: Database, told_backend: ToldBackend
) -> None:
    await Registry(database).apply([told()])
    await process.catalog.refresh()

    with pytest.raises(ModelNotReadyError) as refused:
        process.serving.get(process.catalog.versions()[0])

    assert refused.value.retryable is True
    assert refused.value.retry_after_seconds == 1.0


class SlowBackend(ToldBackend):
    """Waits for a gate when it is loaded for the second time: by the second process."""

    def __init__(self) -> None:
        super().__init__()
        self.loads = 0
        self.second_loads, self.second_may_load = asyncio.Event(), asyncio.Event()

    async def load(self) -> Metadata:
        self.loads += 1
        if self.loads == 2:
            self.second_loads.set()
            await self.second_may_load.wait()
        return Metadata()


async def test_a_process_that_is_ready_stays_so_while_another_one_loads(
    process: Loading, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = SlowBackend()
    monkeypatch.setitem(BACKENDS, KIND, backend)
    await Registry(database).apply([told()])
    other = Loading(Catalog(database), process.serving)
    with ThreadPoolExecutor(1) as executor:
        other.serving = Serving(database, other.catalog, executor, MemoryBus())
        await process.catalog.refresh()
        await other.catalog.refresh()

        await process.serving.load_all()
        loading = asyncio.create_task(other.serving.load_all())
        await backend.second_loads.wait()
        await process.catalog.refresh()
        status_meanwhile = process.status("told")
        backend.second_may_load.set()
        await loading

    assert status_meanwhile == "READY"
    process.serving.get(process.catalog.versions()[0])
    other.serving.get(other.catalog.versions()[0])


async def test_what_breaks_a_backend_is_not_told_to_clients(
    process: Loading, database: Database, told_backend: ToldBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def explode(self: ToldBackend) -> Metadata:
        raise ZeroDivisionError("the secret is 42")

    monkeypatch.setattr(ToldBackend, "load", explode)

    await serve(process, database, told())

    _, version = await version_of(database, "told")
    assert (version.status, version.status_reason) == ("FAILED", str(ModelError()))
