"""A workshop: a database, the engine of any number of processes on it, and a backend that does as told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from db.session import Database
from db.tables import PredictionRow
from db.tables.predictions import predictions
from db.types import now
from engine.answers import Answers
from engine.backends.base import Event, Metadata, Result, VersionSpec
from engine.bus.memory import MemoryBus
from engine.cache.memory import MemoryCache
from engine.catalog import Catalog
from engine.definitions import BackendDefinition, ModelDefinition, PriceDefinition, VersionDefinition
from engine.keys import Keys
from engine.limits.base import Buckets
from engine.limits.budgets import Budgets
from engine.limits.memory import MemoryBuckets
from engine.limits.projects import Projects
from engine.limits.service import Limits
from engine.limits.tiers import Tier
from engine.predict import Predictor
from engine.recovery import Recovery
from engine.registry import Registry
from engine.routing.circuits import Circuits
from engine.routing.gates import Gates
from engine.routing.memory import MemoryBoard
from engine.routing.router import Router
from engine.runs import Runs
from engine.serving import Serving
from engine.shadows import Shadows
from engine.values import (
    BackendKind,
    CacheMode,
    ModelRef,
    ModelTask,
    PredictionData,
    PredictionStatus,
    PredictRequest,
    Scope,
    Usage,
    UsageSource,
    Viewer,
)
from tests.engine.specs import number_schema, tabular

NOBODY = Viewer("0" * 32, None, "nobody", frozenset())
"""Somebody of no project, who sees what is there for all."""
KIND = BackendKind.OPEN_INFERENCE
"""The kind under which the told backend is registered in tests."""

PRICE = PriceDefinition.model_validate({"per_prediction": "0.000001"})


class ToldBackend:
    """Answers each record with its `x`, once the gate is open and unless it is told to fail."""

    is_repeatable = True

    def __init__(self) -> None:
        self.calls: list[PredictionData] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.look: Callable[[], Awaitable[object]] | None = None
        self.error: BaseException | None = None
        self.result: Result | None = None
        self.ends_early = False
        self._changed = asyncio.Event()

    def __call__(self, spec: VersionSpec, executor: Executor) -> ToldBackend:
        """Is its own factory: every process of a test asks the same model server."""
        return self

    async def was_asked(self, times: int = 1) -> None:
        """Waits until it has been asked so many times."""
        async with asyncio.timeout(20):
            while len(self.calls) < times:
                self._changed.clear()
                await self._changed.wait()

    async def load(self) -> Metadata:
        return Metadata()

    async def predict(self, data: PredictionData) -> AsyncIterator[Event]:
        self.calls.append(data)
        self._changed.set()
        if self.look is not None:
            await self.look()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        if self.ends_early:
            return
        yield self.result or answer(data)

    def usage_of(self, data: PredictionData, text: str) -> None:
        return None

    async def close(self) -> None:
        pass


def answer(data: PredictionData) -> Result:
    """Returns what the told backend answers by default."""
    results = [{"value": record["x"]} for record in data.value["records"]]
    return Result({"results": results}, Usage(UsageSource.COUNTED, records=len(results)), 1.0)


@dataclass
class Process:
    """The engine of one process."""

    catalog: Catalog
    bus: MemoryBus
    serving: Serving
    router: Router
    runs: Runs
    shadows: Shadows
    predictor: Predictor
    recovery: Recovery
    limits: Limits
    budgets: Budgets
    projects: Projects


@dataclass
class Workshop:
    """What a test of the Predictor works with."""

    database: Database
    backend: ToldBackend
    viewer: Viewer
    executor: Executor
    here: Process = field(init=False)
    tiers: dict[str, Tier] = field(default_factory=dict)
    buckets: Buckets = field(default_factory=MemoryBuckets)

    async def process(self, *, lease_seconds: float = 60.0) -> Process:
        """Starts the engine of a process, without its recovery loop."""
        catalog = Catalog(self.database)
        await catalog.refresh()
        bus = MemoryBus()
        serving = Serving(self.database, catalog, self.executor, bus)
        await serving.load_all()
        router = Router(catalog, serving, Circuits(MemoryBoard()), Gates(1.0, 4))
        answers = Answers(MemoryCache(), router)
        projects = Projects(self.database, self.tiers)
        limits = Limits(projects, self.buckets)
        budgets = Budgets(self.database, projects)
        runs = Runs(self.database, bus, answers, limits=limits, budgets=budgets, lease_seconds=lease_seconds)
        shadows = Shadows(self.database, router, runs, budgets, 2)
        predictor = Predictor(
            self.database,
            catalog,
            serving,
            router,
            bus,
            answers,
            runs,
            shadows,
            limits=limits,
            budgets=budgets,
        )
        recovery = Recovery(self.database, predictor, runs, lease_seconds=lease_seconds)
        return Process(
            catalog, bus, serving, router, runs, shadows, predictor, recovery, limits, budgets, projects
        )

    async def predict(self, x: float = 1, *, wait_ms: int = 10_000) -> PredictionRow:
        """Asks the told model in the first process."""
        return await self.ask(request(x, wait_ms=wait_ms))

    async def ask(self, asked: PredictRequest, *, viewer: Viewer | None = None) -> PredictionRow:
        """Asks what it is given in the first process."""
        accepted = await self.here.predictor.run(viewer or self.viewer, asked, "request")
        return accepted.row

    async def stored(self, prediction_id: str) -> PredictionRow:
        """Reads a prediction's row as it is in the database."""
        (row,) = [row for row in await self.all_stored() if row.id == prediction_id]
        return row

    async def all_stored(self) -> list[PredictionRow]:
        """Reads every prediction's row."""
        async with self.database.read() as connection:
            rows = (await connection.execute(select(predictions).order_by(predictions.c.id))).all()
        return [PredictionRow(**row._asdict()) for row in rows]

    async def ended(self, prediction_id: str) -> PredictionRow:
        """Waits until a prediction is terminal, and returns its row."""
        async with asyncio.timeout(20):
            while not PredictionStatus((row := await self.stored(prediction_id)).status).is_terminal:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return row

    async def abandon(self, prediction_id: str, *, owner: str = "gone") -> None:
        """Makes an open prediction look as a process leaves it that was killed a minute ago."""
        past = now() - timedelta(minutes=1)
        mine = update(predictions).where(predictions.c.id == prediction_id)
        async with self.database.write() as connection:
            await connection.execute(mine.values(owner=owner, lease_until=past))

    async def abandoned(self, **columns: Any) -> PredictionRow:
        """Stores a prediction that a process left RUNNING when it was killed."""
        version = self.here.catalog.versions()[0]
        row = PredictionRow(
            **{
                "project_id": self.viewer.project_id,
                "model_id": version.model.id,
                "model_version_id": version.row.id,
                "status": "RUNNING",
                "request_id": "killed",
                "owner": "gone",
                "lease_until": now() - timedelta(minutes=1),
                "input": tabular({"x": 7}).value,
                **columns,
            }
        )
        async with self.database.write() as connection:
            await connection.execute(predictions.insert().values(row.model_dump()))
        return row


def request(x: float = 1, *, wait_ms: int = 10_000, **more: Any) -> PredictRequest:
    """Returns a request to the told model, past the cache."""
    more.setdefault("cache", CacheMode.BYPASS)
    return PredictRequest(ModelRef(name="told"), tabular({"x": x}), wait_ms=wait_ms, **more)


def told(name: str = "told", **version: Any) -> ModelDefinition:
    """Returns the definition of a regressor of `x` that the told backend serves."""
    return ModelDefinition(
        name=name,
        display_name=name,
        task=ModelTask.TABULAR_REGRESSION,
        versions=[
            VersionDefinition(
                version="1",
                backend=BackendDefinition.model_validate(
                    {"kind": KIND, "url": "http://told", "model": "told"}
                ),
                input_schema=number_schema(["x"]),
                price=PRICE,
                **version,
            )
        ],
    )


@asynccontextmanager
async def opened_workshop(database: Database, backend: ToldBackend) -> AsyncIterator[Workshop]:
    """Yields a workshop with one model, one project and one process; the backend is registered already."""
    await Registry(database).apply([told()])
    keys = Keys(database)
    project = await keys.create_project("workshop")
    key, _ = await keys.create(project.id, "key", Scope)
    viewer = Viewer(project.id, key.id, key.name, frozenset(Scope))
    with ThreadPoolExecutor(1) as executor:
        workshop = Workshop(database, backend, viewer, executor)
        workshop.here = await workshop.process()
        yield workshop
        backend.gate.set()
        await workshop.here.runs.drain(5)
